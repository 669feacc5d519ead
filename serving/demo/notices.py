"""Everything on the page that is not an answer: state of the system, help, progress, errors."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from readmission import contract
from readmission.contract import icd
from readmission.contract.risk import INTENDED_USE
from serving.demo.batch import Tally
from serving.demo.form import draw_systems
from serving.demo.labels import RISK_BANDS, objection, title
from serving.demo.language import LANGUAGES, address, count, current, mark, percent, tr

#: What the gates of a version tell a clinician: the first word of their names, and the sentence if all of them passed.
_CHECKS = {
    "calibrated": mark("Its risks are calibrated: of patients with a risk of 20%, about 20 of 100 came back."),
    "fair": mark("It serves recorded races, genders and age groups within set limits."),
    "leak": mark("No sign that it knows more than a hospital knows at discharge."),
}


def draw_empty() -> str:
    """Draw what stands in place of an answer before the first one."""
    required = tr("Fields marked * are required. Other empty fields count as not known, and the answer lists them.")
    return (
        f'<section class="notice empty"><h3>{tr("No estimate yet")}</h3>'
        f"<p>{tr('Fill in the form, or start from an example, then choose “Estimate risk”.')}</p><p>{required}</p>"
        "</section>"
    )


def draw_footer() -> str:
    """Draw the page's last lines."""
    return (
        f"<p>{tr('Estimates describe groups of patients, not the future of one patient.')} "
        f"{tr('Examples: UCI data set “Diabetes 130-US hospitals”, 1999–2008 (CC BY 4.0).')}</p>"
    )


def draw_not_possible() -> str:
    """Draw that a patient who died or went to hospice care gets no number."""
    return (
        f'<section class="notice down" aria-live="polite"><h3>{tr("No estimate for this patient")}</h3><p>'
        f"{tr('This patient died or went to hospice care, so a readmission cannot be predicted.')}</p></section>"
    )


def draw_file_help(system: icd.System = "9cm") -> str:
    """Draw what a file must look like, with links to one without rows and one with examples, and a choice.

    Args:
        system: Code system of the diagnoses that is chosen at first.
    """
    columns = tr(
        "Upload one encounter per line, with the data set's column names in the first line, separated by commas, "
        "semicolons or tabs. The column “readmitted” is dropped."
    )
    kept = tr(
        "A row that cannot be scored keeps its place, with the reason. "
        "Files are deleted from this server after 15 minutes."
    )
    return (
        f"<h2>{tr('Score a file')}</h2><p>{columns} {kept}</p>"
        f'<p><a href="template.csv" download>{tr("Template with all columns")}</a> · '
        f'<a href="example.csv" download>{tr("Example with three encounters")}</a></p>'
        f'<div class="field"><div class="title"><label for="file-icd">{title(contract.ICD.name)}</label> '
        f'<span class="hint" id="hint-file-icd">{tr("in rows whose column “icd” does not say it")}</span></div>'
        f'<select id="file-icd" aria-describedby="hint-file-icd">{draw_systems(system)}</select></div>'
    )


def draw_header(info: Mapping[str, Any] | None, problem: str = "") -> str:
    """Draw the page's head: title, language, which model answers, and a banner if the data are synthetic.

    Args:
        info: The API's /model-info. If it is None, no model is shown.
        problem: Why there is no model information. If it is empty, the first answer is awaited.
    """
    if info is not None:
        model = f"{info['model_name']} · {tr('version')} {info['model_version']}"
        state = f'<span class="state up" title="{tr("Model in use")}"><i></i>{escape(model)}</span>'
    elif problem:
        state = f'<span class="state off" role="status"><i></i>{escape(problem)}</span>'
    else:
        state = f'<span class="state"><i></i>{tr("Looking for the model …")}</span>'
    banner = ""
    if info is not None and info.get("synthetic"):
        meaning = tr(
            "This model was trained on generated rows, not on patients: its estimates mean nothing clinically."
        )
        banner = f'<p class="banner" role="note"><b>{tr("Synthetic data.")}</b> {meaning}</p>'
    return (
        f"<header><div><h1>{tr('Readmission risk')}</h1><p>{tr('Patients with diabetes, at discharge')}</p></div>"
        f'{state}{_languages()}</header><p class="use">{tr(INTENDED_USE)}</p>'
        f"{banner}{_gates((info or {}).get('gates') or ())}"
    )


def _languages() -> str:
    """Link the page in the other languages."""
    links = "".join(
        f'<a href="{address(code)}" lang="{code}" hreflang="{code}">{name}</a>'
        for code, name in LANGUAGES.items()
        if code != current()
    )
    return f'<nav class="languages" aria-label="{tr("Language")}">{links}</nav>'


def _gates(checks: Sequence[Mapping[str, Any]]) -> str:
    """Say which checks this version had to pass, in sentences; their table belongs to the model card."""
    if not checks:
        return ""
    kinds = {kind: [check for check in checks if str(check["gate"]).split("_")[0] == kind] for kind in _CHECKS}
    items = "".join(
        f"<li>{tr(sentence)}</li>"
        for kind, sentence in _CHECKS.items()
        if kinds[kind] and all(check["passed"] for check in kinds[kind])
    )
    passed = sum(bool(check["passed"]) for check in checks)
    summary = tr("This version passed {passed} of {total} checks", passed=passed, total=len(checks))
    return (
        f'<details class="gates"><summary>{summary}</summary><ul>{items}</ul>'
        f'<p><a href="model-card" target="_blank" rel="noopener">'
        f"{tr('Model card: what it is for, how good it is, every check with its figure')}</a></p>"
        f'<p><a href="discharges">{tr("Discharges to follow up")}</a></p></details>'
    )


def draw_progress(done: int, total: int) -> str:
    """Draw how many of the rows are scored."""
    share = min(done / total, 1)
    scored = tr("{done} of about {total} rows scored", done=count(done), total=count(total))
    return (
        f'<div class="progress" role="progressbar" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{100 * share:.0f}"><p>{scored}</p>'
        f'<div><i style="width:{share:.1%}"></i></div></div>'
    )


def draw_report(tally: Tally) -> str:
    """Summarise a scored file: rows, risk bands of the model, the first errors."""
    scored = tr("{done} of {total} rows scored", done=count(tally.rows - tally.failed), total=count(tally.rows))
    return (
        f'<section class="report" aria-live="polite"><h3>{scored}</h3>'
        f"{''.join(f'<p>{escape(note)}</p>' for note in tally.notes)}"
        f"{_band_counts(tally)}{_highest(tally)}{_row_errors(tally)}</section>"
    )


def _band_counts(tally: Tally) -> str:
    if not tally.bands:
        return ""
    total = tally.bands.total()
    bars = "".join(
        f'<div class="bar"><dt>{tr(label)}</dt><dd><i class="{style}" '
        f'style="width:{tally.bands[name] / total:.1%}"></i></dd>'
        f'<dd class="figure">{count(tally.bands[name])}</dd></div>'
        for name, (label, style) in RISK_BANDS.items()
    )
    return f'<dl class="bars">{bars}</dl>'


def _highest(tally: Tally) -> str:
    if not tally.highest:
        return ""
    rows = "".join(
        f"<tr><td>{count(number)}</td><td>{escape(encounter) or '–'}</td><td>{percent(risk)}</td>"
        f"<td>{escape(tr(RISK_BANDS[band][0]) if band in RISK_BANDS else band) or '–'}</td></tr>"
        for risk, number, encounter, band in tally.highest
    )
    number = len(tally.highest)
    heading = tr("The highest risk") if number == 1 else tr("The {number} highest risks", number=number)
    return (
        f'<h3>{heading}</h3><div class="scroll"><table><thead><tr><th>{tr("Row")}</th><th>{tr("Encounter")}</th>'
        f"<th>{tr('Risk within 30 days')}</th><th>{tr('Band')}</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _row_errors(tally: Tally) -> str:
    if not tally.failed:
        return ""
    failed = count(tally.failed)
    heading = (
        tr("1 row could not be scored") if tally.failed == 1 else tr("{rows} rows could not be scored", rows=failed)
    )
    rows = "".join(f"<tr><td>{count(number)}</td><td>{escape(reason)}</td></tr>" for number, reason in tally.errors)
    shown = len(tally.errors)
    rest = tr("The first {shown} are shown; the file has all of them.", shown=shown)
    more = f"<p>{rest}</p>" if tally.failed > shown else ""
    return (
        f'<h3>{heading}</h3><div class="scroll"><table>'
        f"<thead><tr><th>{tr('Row')}</th><th>{tr('Reason')}</th></tr></thead><tbody>{rows}</tbody></table></div>{more}"
    )


def draw_notice(heading: str, sentence: str) -> str:
    """Draw one reason why the work stopped."""
    content = f"<h3>{escape(heading)}</h3><p>{escape(sentence)}</p>"
    return f'<section class="notice wrong" role="alert">{content}</section>'


def draw_problems(errors: Sequence[Mapping[str, Any]], record: Mapping[str, str | int]) -> str:
    """List the API's objections to a request, each a link to its field."""
    items = "".join(
        f'<li><a href="#field-{escape(str(e["field"]))}">{escape(title(str(e["field"])))}</a> '
        f"{escape(objection(e, record))}</li>"
        for e in errors
    )
    number = len(errors)
    heading = tr("One value needs attention") if number == 1 else tr("{number} values need attention", number=number)
    return f'<section class="notice wrong" role="alert"><h3>{heading}</h3><ul>{items}</ul></section>'


def draw_unavailable(sentence: str) -> str:
    """Draw why there is no answer at present, and what to do."""
    advice = tr(
        "Your entries are kept. Try again in a moment. If the problem persists, contact the operators of this system."
    )
    return (
        f'<section class="notice down" role="alert"><h3>{tr("No estimate at present")}</h3><p>{escape(sentence)}</p>'
        f"<p>{advice}</p></section>"
    )
