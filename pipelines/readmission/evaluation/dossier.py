"""The dossier of one version, as files: what a reviewer asks of a model, from the facts of its card and of the site."""

from datetime import date

from readmission.evaluation import chai_card, checklists, model_card, source_attributes, spanish_card
from readmission.evaluation.gates import Check
from readmission.evaluation.model_card import Facts
from readmission.evaluation.site_facts import SiteFacts

#: The model card with the dossier below it, in two forms, the applied model card of CHAI, and the card in Spanish.
MARKDOWN, HTML, XML, SPANISH = "model_card.md", "model_card.html", "applied_model_card.xml", "model_card.es.html"


def files(facts: Facts, site: SiteFacts, today: date) -> dict[str, str]:
    """Return model card and dossier by file name.

    Args:
        facts: Facts of the version.
        site: Facts of the site.
        today: Day on which the version is judged.
    """
    card = model_card.markdown(facts)
    text = "\n".join((card, source_attributes.markdown(facts, site), checklists.markdown(facts, site)))
    return {
        MARKDOWN: text,
        HTML: model_card.html(text, f"{facts.name}: model card"),
        SPANISH: model_card.html(spanish_card.translate(card), f"{facts.name}: ficha del modelo", "es"),
        XML: chai_card.xml(facts, site, today.isoformat()),
    }


def check_site(site: SiteFacts, today: date) -> Check:
    """Return the gate that people have answered what only they know, and that their review is not overdue."""
    problems = site.problems(today)
    return Check(
        gate="site_facts_stated",
        figure="open_site_facts",
        value=float(len(problems)),
        limit="0: site.yaml is complete and its review is not overdue",
        passed=not problems,
        reason=f"Open: {'; '.join(problems)}." if problems else "People have stated what only they know.",
    )
