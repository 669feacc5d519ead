"""The API's answer as HTML and SVG: risk in words, one hundred patients, what was assumed."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from readmission import contract
from readmission.contract.risk import NO_HORIZON
from serving.demo.known_scores import draw_known_scores
from serving.demo.labels import ASSUMPTIONS, RISK_BANDS, describe_level, title
from serving.demo.language import mark, percent, tr
from serving.demo.reasons import draw_reasons

#: Words and style of each outcome.
OUTCOMES = {
    "<30": (mark("within 30 days"), "early"),
    ">30": (mark("after 30 days"), "late"),
    "NO": (mark("not readmitted"), "none"),
}
#: Visits of the year before this stay, by column: with their number, and if it is not known.
_VISITS = {
    "number_inpatient": (mark("inpatient stays: {number}"), mark("inpatient stays: not known")),
    "number_emergency": (mark("emergency visits: {number}"), mark("emergency visits: not known")),
    "number_outpatient": (mark("outpatient visits: {number}"), mark("outpatient visits: not known")),
}
#: What a reader should know of a group of people, by the doubt that the version's tests raised.
_DOUBTS = {
    "ranks poorly": mark(
        "{group}: the model tells patients of this group apart less well than others, so rely on it less."
    ),
    "too low": mark(
        "{group}: more test patients of this group came back than estimated ({observed} against {predicted}), so the "
        "risk may be too low."
    ),
    "too high": mark(
        "{group}: fewer test patients of this group came back than estimated ({observed} against {predicted}), so the "
        "risk may be too high."
    ),
}
_COURSES = {
    "<30": mark("readmission within 30 days"),
    ">30": mark("readmission after more than 30 days"),
    "NO": mark("no readmission"),
}


def round_to_hundred(probabilities: Mapping[str, float]) -> dict[str, int]:
    """Round the probabilities to whole patients of 100 that add up.

    The risk within 30 days is rounded first, as the headline rounds it; the other two share what is left.
    """
    early = round(100 * probabilities["<30"])
    late = min(round(100 * probabilities[">30"]), 100 - early)
    return {"<30": early, ">30": late, "NO": 100 - early - late}


def draw_answer(
    content: Mapping[str, Any],
    info: Mapping[str, Any] | None = None,
    explanation: Mapping[str, Any] | None = None,
    record: Mapping[str, str | int] | None = None,
) -> str:
    """Draw one answer of POST /predict.

    Args:
        content: The answer.
        info: /model-info of the version that answered, which has the prevalence in its data and what became of the
            test patients of each band. If omitted, the risk is compared with nothing.
        explanation: Answer of POST /explain to the same request. If omitted, no reasons are drawn.
        record: The request. If omitted, reasons and history are not in the user's words.
    """
    probabilities = content["probabilities"]
    counts = round_to_hundred(probabilities)
    headline, style = _band(str(content.get("risk_band") or ""))
    comparison = _comparison(counts["<30"], (info or {}).get("prevalence"))
    return f"""<section class="answer {style}" aria-live="polite">
<p class="stale-note" role="status">{tr("The form has changed. Choose “Estimate risk” again.")}</p>
{headline}
<p class="risk"><strong>{percent(float(content["readmission_risk_30d"]))}</strong>
<span>{tr("risk of readmission within 30 days")}</span></p>
<p class="words">{comparison} {tr("Most likely: {course}.", course=f"<b>{tr(_COURSES[content['prediction']])}</b>")}</p>
{_certainty(str(content.get("risk_band") or ""), info or {})}
{_doubts(record or {}, info or {})}
{draw_patients(counts)}
{draw_bars(probabilities)}
<p class="words">{tr(NO_HORIZON)}</p>
{draw_reasons(explanation, record or {})}
{draw_known_scores(content.get("known_scores") or ())}
{_history(record)}
{_assumed(content.get("missing", ()))}
{_notes(content.get("notes") or ())}
<p class="provenance">{escape(str(content["model_name"]))} · {tr("version")} {escape(str(content["model_version"]))}
 · {tr("prediction")} <code>{escape(str(content["prediction_id"]))}</code></p>
</section>"""


def draw_patients(counts: Mapping[str, int]) -> str:
    """Draw one hundred patients as an SVG of 5 rows, coloured by outcome."""
    styles = [OUTCOMES[name][1] for name in OUTCOMES for _ in range(counts[name])]
    marks = "".join(
        f'<use href="#person" x="{5 + 20 * (i % 20)}" y="{2 + 26 * (i // 20)}" class="{style}"/>'
        for i, style in enumerate(styles)
    )
    summary = ", ".join(f"{counts[name]} {tr(outcome)}" for name, (outcome, _) in OUTCOMES.items())
    summary = tr("Of 100 patients: {counts}", counts=summary)
    return f"""<svg class="people" viewBox="0 0 402 132" role="img" aria-label="{summary}">
<defs><g id="person"><circle cx="5" cy="4.5" r="4"/><path d="M0 21v-5.5a5 5 0 0 1 10 0V21z"/></g></defs>
{marks}</svg>"""


def draw_bars(probabilities: Mapping[str, float]) -> str:
    """Draw the three probabilities as labelled bars."""
    rows = "".join(
        f'<div class="bar"><dt>{tr(outcome).capitalize()}</dt><dd><i class="{style}" '
        f'style="width:{probabilities[name]:.1%}"></i></dd>'
        f'<dd class="figure">{percent(probabilities[name], 1)}</dd></div>'
        for name, (outcome, style) in OUTCOMES.items()
    )
    return f'<dl class="bars">{rows}</dl>'


def _band(name: str) -> tuple[str, str]:
    """Return the headline and the style of a risk band; both are empty for a model without bands."""
    if not name:
        return "", ""
    label, style = RISK_BANDS.get(name, (f"{name} risk", ""))
    return f'<p class="band">{escape(tr(label))}</p>', style


def _comparison(early: int, prevalence: float | None) -> str:
    number = tr("about {number}", number=early) if early else tr("fewer than one")
    sentence = tr("Of 100 patients like this one, {number} come back within 30 days", number=f"<b>{number}</b>")
    if prevalence is None:
        return f"{sentence}."
    return f"{sentence}; {tr('of all patients, about {number} do.', number=f'{100 * prevalence:.0f}')}"


def _certainty(band: str, info: Mapping[str, Any]) -> str:
    """Say what became of the test patients of the band, with the interval that their number allows."""
    outcome = next((b["tested"] for b in info.get("risk_bands") or () if b["name"] == band and b.get("tested")), None)
    if outcome is None:
        return ""
    rate, low, high = (100 * float(outcome[name]) for name in ("rate", "low", "high"))
    sentence = tr(
        "How sure is this? Of 100 test patients in this band, {rate} came back within 30 days ({low} to {high}).",
        rate=f"<b>{rate:.0f}</b>",
        low=f"{low:.0f}",
        high=f"{high:.0f}",
    )
    return f'<p class="certainty">{sentence}</p>'


def _doubts(record: Mapping[str, str | int], info: Mapping[str, Any]) -> str:
    """Say which groups of people the patient belongs to whose estimates a reader should doubt, and why."""
    sentences = []
    for doubt in info.get("doubts") or ():
        name, level = str(doubt["column"]), str(doubt["level"])
        if doubt["doubt"] in _DOUBTS and name in contract.BY_NAME and record.get(name) == level:
            values = {key: percent(float(doubt[key])) for key in ("observed", "predicted")}
            group = f"{title(name)} {describe_level(contract.BY_NAME[name], level)}"
            sentences.append(tr(_DOUBTS[doubt["doubt"]], group=f"<b>{escape(group)}</b>", **values))
    return "".join(f'<p class="note">{sentence}</p>' for sentence in sentences)


def _history(record: Mapping[str, str | int] | None) -> str:
    """Say which history of the patient the estimate rests on, so that nobody scores a stay against itself."""
    if record is None:
        return ""
    visits = [
        tr(stated, number=escape(str(record[name]))) if name in record else tr(absent)
        for name, (stated, absent) in _VISITS.items()
    ]
    sentence = tr(
        "History used, as entered for the year before: {visits}. No patient number is sent, so no stored stay of this "
        "patient is looked up.",
        visits="; ".join(visits),
    )
    return f'<p class="history">{sentence}</p>'


def _assumed(missing: Sequence[str]) -> str:
    if not missing:
        return ""
    assumed: dict[str, list[str]] = {value: [] for value in ASSUMPTIONS}
    for field in missing:
        column = contract.BY_NAME.get(field)
        assumed[(column.assumed if column else None) or ""].append(title(field))
    lists = "".join(
        f"<dt>{tr(ASSUMPTIONS[value])}</dt><dd>{escape(', '.join(titles))}</dd>"
        for value, titles in assumed.items()
        if titles
    )
    heading = tr("1 field left empty") if len(missing) == 1 else tr("{count} fields left empty", count=len(missing))
    return f'<details class="assumed"><summary>{heading}</summary><dl>{lists}</dl></details>'


def _notes(notes: Sequence[Any]) -> str:
    return "".join(f'<p class="note">{escape(tr(str(note)))}</p>' for note in notes)
