"""Two checklists with the evidence for each item: TRIPOD+AI, and the EU AI Act's duties for high-risk systems. Pure.

Source: Collins et al., TRIPOD+AI statement, BMJ 2024;385:e078378 (27 items, in our words); Regulation (EU) 2024/1689,
articles 9 to 15 and 26. They say where something is to be found; whether it is enough, people decide.
"""

from dataclasses import dataclass

from readmission.evaluation.model_card import Facts
from readmission.evaluation.site_facts import SiteFacts

#: What stands where nobody has answered.
OPEN = "**Not stated by this site.**"


@dataclass(frozen=True)
class Item:
    """One item of a checklist.

    Attributes:
        number: Number of the item, or the article.
        asked: What it asks for.
        evidence: Where it is answered: a section of this card, a page of the documentation, or a person's words.
    """

    number: str
    asked: str
    evidence: str


def tripod(facts: Facts, site: SiteFacts) -> list[Item]:
    """Return the 27 items of TRIPOD+AI. More than 40 lines, because it is one table."""
    rows = ", ".join(f"{split} {count:,}" for split, count in facts.rows.items())
    patients = ", ".join(f"{split} {count:,}" for split, count in facts.patients.items())
    family = facts.family.replace("_", " ")
    entries = (
        (
            "Title: a prediction model, its population and outcome",
            f"This card: {facts.name}, a {family}; What it is for",
        ),
        ("Abstract", "README.md of the repository; What it is for; Quality on test"),
        ("Background: context, rationale, and known differences between groups", "docs/model.md; docs/fairness.md"),
        ("Objectives", "What it is for; docs/model.md"),
        ("Sources and dates of the data", f"docs/data.md; Data; snapshot {facts.lineage.get(_DATA, '')}"),
        ("Participants: setting, who may be in, treatments", "docs/data.md; Data: what is left out and why"),
        ("Data preparation", "docs/data.md; readmission/contract (one table of columns); readmission/features"),
        ("Outcome: what and when, how assessed", "docs/data.md; readmission/contract, column readmitted"),
        ("Predictors: which, how measured", "readmission/contract, with label, levels and meaning of missing"),
        ("Sample size", f"Data: {rows} encounters of {patients} patients; no size was planned beforehand"),
        ("Missing data", "docs/data.md; readmission/features/encoding: missing is a value of its own, never imputed"),
        ("Analytical methods", f"docs/model.md: six families, patient-grouped splits; this version: {family}"),
        ("Class imbalance", "docs/model.md: probabilities are not re-weighted; alerts by operating point"),
        (
            "Fairness: approaches and rationale",
            "docs/fairness.md; Gates whose name begins with fair_; Groups of people",
        ),
        ("Model output", "docs/api.md: probabilities of three classes and a risk band; Operating points"),
        (
            "Training versus evaluation data: differences",
            "Data: one source, split by patient; source attributes 6.i to 6.iv",
        ),
        ("Ethical approval", "docs/data.md: public, de-identified data; approval of a site's own data is the site's"),
        (
            "Open science: funding, interests, protocol, data, code",
            f"Code: Apache-2.0, {facts.lineage.get('code', '')}; "
            f"data: UCI, CC BY 4.0; no protocol was registered; funding: {site.funding or OPEN}",
        ),
        ("Patient and public involvement", site.stakeholders or OPEN),
        ("Results, participants: flow and characteristics", "Data; Groups of people; docs/data.md (quarantine)"),
        (
            "Results, model development: numbers of participants and outcomes",
            f"Data: {rows}; Quality on test: prevalence",
        ),
        (
            "Results, model specification",
            f"MLflow run {facts.lineage.get('MLflow run', '')}: the whole Pipeline and its compiled form",
        ),
        ("Results, performance with intervals, also in groups", "Quality on test; Operating points; Groups of people"),
        ("Results, model updating", "Beside the champions before; training.promotions in the database"),
        ("Discussion, interpretation and fairness", "docs/fairness.md; docs/reports (model quality)"),
        ("Discussion, limitations", "docs/fairness.md; docs/model.md; What it is for: what it is not for"),
        (
            "Discussion, usability: poor or missing input, expertise, next steps",
            "docs/read-an-estimate.md; docs/clinic.md: each value is sent, derived, assumed or missing",
        ),
    )
    return [Item(str(number), asked, evidence) for number, (asked, evidence) in enumerate(entries, 1)]


_DATA = "data (sha256 of the snapshot)"


def eu_ai_act(site: SiteFacts) -> list[Item]:
    """Return pointers for the duties that the EU AI Act has for high-risk systems."""
    return [
        Item(
            "9",
            "Risk management",
            "docs/fairness.md (known limits); Gates; `readmission monitor`, `readmission outcomes`",
        ),
        Item(
            "10", "Data and data governance", "docs/data.md (contract, quarantine); docs/privacy.md; Groups of people"
        ),
        Item("11", "Technical documentation", "This card and its sources; docs/architecture.md"),
        Item(
            "12",
            "Record-keeping",
            "serving.predictions, kept for READMISSION_RETENTION_PREDICTIONS_DAYS (at least 184)",
        ),
        Item("13", "Transparency for deployers", "docs/read-an-estimate.md; the card of CDS Hooks; source attributes"),
        Item(
            "14", "Human oversight", f"Role in a decision: {site.decision_role or OPEN}; override reasons on each card"
        ),
        Item("15", "Accuracy, robustness, cybersecurity", "Quality on test; docs/monitoring.md; docs/security.md"),
        Item(
            "26",
            "Duties of deployers: logs of six months, information of people",
            f"docs/privacy.md; what patients are told: {site.patient_disclosure or OPEN}",
        ),
    ]


def markdown(facts: Facts, site: SiteFacts) -> str:
    """Return both checklists as Markdown."""
    lines = [
        "# Checklists",
        "",
        "Each item with where it is answered: a section of this card, a page of the documentation, the code, "
        "or a person of this site. That something is answered does not say that it is enough. This page claims no "
        "conformity.",
    ]
    for title, items in (
        ("TRIPOD+AI (reporting of prediction models), 27 items", tripod(facts, site)),
        ("EU AI Act, duties for high-risk systems, by article", eu_ai_act(site)),
    ):
        lines += ["", f"## {title}", "", "| | asked | evidence |", "|---|---|---|"]
        lines += [f"| {item.number} | {item.asked} | {item.evidence.replace('|', '/')} |" for item in items]
    return "\n".join([*lines, ""])
