"""The 31 source attributes that US rules (HTI-1) ask of a predictive decision support intervention, answered. Pure.

Source: 45 CFR 170.315(b)(11)(iv)(B). A person's answer comes from `site.yaml`, every other one from the facts of the
model card, whose numbers are the version's own. This page shows what is there; it claims no conformity.
"""

from collections.abc import Set
from dataclasses import dataclass

from readmission import contract
from readmission.contract.risk import INTENDED_USE
from readmission.evaluation import model_card
from readmission.evaluation.checklists import OPEN
from readmission.evaluation.model_card import Facts
from readmission.evaluation.ranking import ALERT_RATES
from readmission.evaluation.site_facts import SiteFacts


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """One attribute.

    Attributes:
        number: Paragraph of the rule, such as "1.i".
        group: Group of the rule.
        title: What it asks.
        answer: What is known.
        source: Where the answer comes from: ``version`` (its facts), ``software`` or ``site``.
    """

    number: str
    group: str
    title: str
    answer: str
    source: str


def attributes(facts: Facts, site: SiteFacts) -> list[Attribute]:
    """Return the 31 attributes of one version, in the order of the rule."""
    listed: list[Attribute] = []
    for number, (group, entries) in enumerate(_groups(facts, site).items(), 1):
        for roman, (title, source, answer) in zip(("i", "ii", "iii", "iv", "v"), entries, strict=False):
            listed.append(
                Attribute(number=f"{number}.{roman}", group=group, title=title, answer=answer or OPEN, source=source)
            )
    return listed


def markdown(facts: Facts, site: SiteFacts) -> str:
    """Return the dossier as Markdown."""
    lines = [
        f"# Source attributes: {facts.name}, {facts.family.replace('_', ' ')}",
        "",
        "The 31 attributes of 45 CFR 170.315(b)(11)(iv)(B). The column *from* says who knows the answer: the version's "
        "own figures, the software, or the site (`site.yaml`). This page claims no conformity with any rule.",
        "",
    ]
    group = ""
    for each in attributes(facts, site):
        if each.group != group:
            group = each.group
            lines += ["", f"## {group}", "", "| | asked | from | answer |", "|---|---|---|---|"]
        lines.append(f"| {each.number} | {each.title} | {each.source} | {each.answer.replace('|', '/')} |")
    reviewed = f"{site.reviewed_by or 'nobody'}, next review by {site.review_due or 'no date'}"
    return "\n".join([*lines, "", f"Facts of the site vouched for by: {reviewed}.", ""])


def validity(facts: Facts) -> str:
    """Return the figures of validity on test in one sentence."""
    names = ("roc_auc_30", "pr_auc_30", "prevalence_30", "brier_30", "ece_30")
    figures = [f"{model_card.METRICS[name]} {facts.intervals[name]}" for name in names]
    shares = [
        f"{rate:.0%} alerted find {facts.intervals[f'recall_at_alert_{round(rate * 100)}']}" for rate in ALERT_RATES
    ]
    return f"{'; '.join(figures)}; early readmissions: {'; '.join(shares)}."


def fairness(facts: Facts) -> str:
    """Return recall and calibration of the judged groups in one sentence."""
    judged = [group for group in facts.slices if group.judged]
    if not judged:
        return "No group has enough encounters to be judged."
    each = (
        f"{g.column} {g.level}: found {g.recall:.3f}, observed {g.prevalence:.3f}, predicted {g.predicted:.3f}"
        for g in judged
    )
    return "; ".join(each) + "."


def representation(facts: Facts) -> str:
    """Return how many encounters each group has in validation and test."""
    return (
        "; ".join(f"{group.column} {group.level} {group.rows:,}" for group in facts.slices) + " (validation and test)."
    )


def gates_met(facts: Facts) -> str:
    """Return the gates of fairness with their figures."""
    checks = [check for check in facts.verdict.checks if check.gate.startswith("fair_")]
    return "; ".join(f"{c.gate}: {c.value} must be {c.limit}" for c in checks) or "The data is synthetic: none applied."


def in_use(facts: Facts, groups: Set[str]) -> str:
    """Return the live figures of some groups of people in one sentence."""
    figures = [
        f"{f.metric} of {f.group} {f.value:.4g} ({f.encounters:,} encounters, version {f.version}, {f.measured_on})"
        for f in facts.live
        if f.group in groups
    ]
    return f"{'; '.join(figures) or 'No outcome was known yet'}. Later figures: monitoring.quality."


def _groups(facts: Facts, site: SiteFacts) -> dict[str, list[tuple[str, str, str]]]:
    """Return title, source and answer of each attribute by group. More than 40 lines, because it is one table."""
    excluded = ", ".join(map(str, sorted(contract.EXCLUDED_DISPOSITIONS)))
    rows = ", ".join(f"{split} {count:,}" for split, count in facts.rows.items())
    scores = "; ".join(
        f"{each.score} finds {each.recall:.3f}, the model {each.difference} more" for each in facts.comparisons
    )
    demographic = (
        "race, gender and age are inputs; sexual orientation, gender identity, language and social needs are not"
    )
    return {
        "Details and output": [
            (
                "Developer and contact",
                "site",
                f"{site.developer}, {site.contact}" if site.developer and site.contact else "",
            ),
            ("Funding", "site", site.funding),
            ("Value of the output", "software", "Probabilities of a readmission within 30 days, later, and none."),
            ("Type of the output", "software", "A prediction, with a risk band."),
        ],
        "Purpose": [
            ("Intended use", "software", INTENDED_USE),
            (
                "Intended patients",
                "software",
                "Adults with diabetes at discharge from an inpatient stay of 1 to 14 days.",
            ),
            ("Intended users", "site", site.intended_users),
            ("Role in a decision", "site", site.decision_role),
        ],
        "Cautioned out-of-scope use": [
            (
                "Where not to use it",
                "software",
                f"Not for: {model_card.OUT_OF_SCOPE}",
            ),
            ("Known risks and limits", "software", "docs/fairness.md lists them with figures; the data ends in 2008."),
        ],
        "Development and input features": [
            ("Inclusion and exclusion", "version", f"{rows}; left out: discharge dispositions {excluded}."),
            ("Demographic inputs", "software", f"Of the variables that the rule names, {demographic}."),
            ("Demographic representation", "version", representation(facts)),
            ("Relevance to this site", "site", site.relevance),
        ],
        "Fairness process": [
            ("Approach to fair output", "version", gates_met(facts)),
            (
                "Managing bias",
                "software",
                "A version that fails a fairness gate is not promoted; no group has a threshold of its own.",
            ),
        ],
        "External validation": [
            ("Data and setting", "site", site.external_data),
            ("Party", "site", site.external_party),
            ("Representation", "site", site.external_people),
            ("Process", "site", site.external_process),
        ],
        "Quantitative measures": [
            ("Validity, same source", "version", f"{validity(facts)} Beside known scores: {scores}."),
            ("Fairness, same source", "version", fairness(facts)),
            ("Validity, external", "site", site.external_validity),
            ("Fairness, external", "site", site.external_fairness),
            ("Evaluations of use", "site", site.outcome_studies),
        ],
        "Maintenance and monitoring": [
            (
                "Monitoring of validity",
                "software",
                "`readmission outcomes` on every run of the monitor DAG: monitoring.quality.",
            ),
            ("Validity in local data", "version", in_use(facts, {"all"})),
            ("Monitoring of fairness", "software", "The same run, by race, gender and age band."),
            ("Fairness in local data", "version", in_use(facts, {f.group for f in facts.live} - {"all"})),
        ],
        "Updates": [
            ("Update process", "site", site.update_process),
            ("Correction process", "site", site.correction_process),
        ],
    }
