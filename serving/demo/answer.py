"""Draw the API's answer as HTML and SVG: risk in words, one hundred patients, what was assumed."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from readmission import contract
from serving.demo.words import title

#: Upper bounds of the bands of 30-day risk. Of the data set's encounters about 11 in 100 are followed by
#: a readmission within 30 days; some four tenths of all lie in the first band, one tenth in the last.
BANDS = (
    (0.08, "Lower than usual", "low"),
    (0.20, "About usual", "medium"),
    (1.01, "Higher than usual", "high"),
)
USUAL = 11
OUTCOMES = {
    "<30": ("within 30 days", "early"),
    ">30": ("after 30 days", "late"),
    "NO": ("not readmitted", "none"),
}


def band(risk: float) -> tuple[str, str]:
    """Return the words and the style of a 30-day risk between 0 and 1."""
    return next((words, style) for bound, words, style in BANDS if risk < bound)


def hundred(probabilities: Mapping[str, float]) -> dict[str, int]:
    """Round the probabilities to whole patients of 100 that add up.

    The risk within 30 days is rounded first, as the headline rounds it; the other two share what is left.
    """
    early = round(100 * probabilities["<30"])
    late = min(round(100 * probabilities[">30"]), 100 - early)
    return {"<30": early, ">30": late, "NO": 100 - early - late}


def answer(content: Mapping[str, Any]) -> str:
    """Draw one answer of POST /predict."""
    probabilities = content["probabilities"]
    risk = float(content["readmission_risk_30d"])
    words, style = band(risk)
    counts = hundred(probabilities)
    in_words = f"about {counts['<30']}" if counts["<30"] else "fewer than one"
    return f"""<section class="answer {style}" aria-live="polite">
<p class="stale-note" role="status">The form has changed since: estimate again.</p>
<p class="band">{words}</p>
<p class="risk"><strong>{risk:.0%}</strong> <span>risk of readmission within 30 days</span></p>
<p class="words">Of 100 patients like this one, <b>{in_words}</b> come back within 30 days; usual is {USUAL}.
Most likely: <b>{_course(content["prediction"])}</b>.{_band(content)}</p>
{people(counts)}
{bars(probabilities)}
{_assumed(content.get("missing", ()))}
{_notes(content.get("notes") or ())}
<p class="provenance">{escape(str(content["model_name"]))} · version {escape(str(content["model_version"]))}
 · prediction <code>{escape(str(content["prediction_id"]))}</code></p>
</section>"""


def people(counts: Mapping[str, int]) -> str:
    """Draw one hundred patients as an SVG of 5 rows, coloured by outcome."""
    kinds = [OUTCOMES[name][1] for name in OUTCOMES for _ in range(counts[name])]
    marks = "".join(
        f'<use href="#person" x="{5 + 20 * (i % 20)}" y="{2 + 26 * (i // 20)}" class="{kind}"/>'
        for i, kind in enumerate(kinds)
    )
    said = ", ".join(f"{counts[name]} {said}" for name, (said, _) in OUTCOMES.items())
    return f"""<svg class="people" viewBox="0 0 402 132" role="img" aria-label="Of 100 patients: {said}">
<defs><g id="person"><circle cx="5" cy="4.5" r="4"/><path d="M0 21v-5.5a5 5 0 0 1 10 0V21z"/></g></defs>
{marks}</svg>"""


def bars(probabilities: Mapping[str, float]) -> str:
    """Draw the three probabilities as labelled bars."""
    rows = "".join(
        f'<div class="bar"><dt>{said.capitalize()}</dt><dd><i class="{kind}" '
        f'style="width:{probabilities[name]:.1%}"></i></dd>'
        f'<dd class="figure">{probabilities[name]:.1%}</dd></div>'
        for name, (said, kind) in OUTCOMES.items()
    )
    return f'<dl class="bars">{rows}</dl>'


def _band(content: Mapping[str, Any]) -> str:
    name = str(content.get("risk_band") or "")
    return f" Risk band of this model: <b>{escape(name)}</b>." if name else ""


def _course(prediction: str) -> str:
    return {"<30": "readmission within 30 days", ">30": "readmission after more than 30 days"}.get(
        prediction, "no readmission"
    )


def _assumed(missing: Sequence[str]) -> str:
    if not missing:
        return ""
    assumed: dict[str, list[str]] = {"No": [], "None": [], "": []}
    for field in missing:
        column = contract.BY_NAME.get(field)
        assumed[(column.assumed if column else None) or ""].append(title(field))
    said = {"No": "Drug not prescribed", "None": "Not tested", "": "Not known"}
    lists = "".join(
        f"<dt>{said[key]}</dt><dd>{escape(', '.join(named))}</dd>" for key, named in assumed.items() if named
    )
    plural = "field was" if len(missing) == 1 else "fields were"
    summary = f"<summary>{len(missing)} {plural} assumed</summary>"
    return f'<details class="assumed">{summary}<dl>{lists}</dl></details>'


def _notes(notes: Sequence[Any]) -> str:
    return "".join(f'<p class="note">{escape(str(note))}</p>' for note in notes)
