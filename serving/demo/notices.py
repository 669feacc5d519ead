"""Everything on the page that is not an answer: state of the system, help, progress, errors."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from readmission.contract.risk import INTENDED_USE
from serving.demo.batch import Tally
from serving.demo.labels import RISK_BANDS, objection, title

EMPTY = """<section class="notice empty"><h3>No estimate yet</h3>
<p>Fill in the form, or start from an example, then choose <b>Estimate risk</b>.</p>
<p>Fields marked * are required. Other empty fields count as not known, and the answer lists them.</p>
</section>"""
FOOTER = """<p>Estimates describe groups of patients, not one patient's future.
Examples: UCI data set “Diabetes 130-US hospitals”, 1999–2008 (CC BY 4.0).</p>"""
NOT_POSSIBLE = """<section class="notice down" aria-live="polite"><h3>No estimate for this patient</h3>
<p>This patient died or went to hospice care, so a readmission cannot be predicted.</p></section>"""
CSV_HELP = """<h2>Score a file</h2><p>Upload one encounter per line, with the data set's column names in the first
line, separated by commas, semicolons or tabs. The column <code>readmitted</code> is dropped. A row that cannot be
scored keeps its place, with the reason. Files are deleted from this server after 15 minutes.</p>
<p><a href="template.csv" download>Template with all columns</a> · <a href="example.csv" download>Example with three
encounters</a></p>"""


def draw_header(info: Mapping[str, Any] | None, problem: str = "") -> str:
    """Draw the page's head: title, which model answers, and a banner if the data are synthetic.

    Args:
        info: The API's /model-info. If it is None, no model is shown.
        problem: Why there is no model information. If it is empty, the first answer is awaited.
    """
    if info is not None:
        model = f"{info['model_name']} · version {info['model_version']}"
        state = f'<span class="state up" title="Model in use"><i></i>{escape(model)}</span>'
    elif problem:
        state = f'<span class="state off" role="status"><i></i>{escape(problem)}</span>'
    else:
        state = '<span class="state"><i></i>Looking for the model …</span>'
    banner = ""
    if info is not None and info.get("synthetic"):
        banner = (
            '<p class="banner" role="note"><b>Synthetic data.</b> This model was trained on generated rows, '
            "not on patients: its estimates mean nothing clinically.</p>"
        )
    return (
        "<header><div><h1>Readmission risk</h1><p>Patients with diabetes, at discharge</p></div>"
        f'{state}</header><p class="use">{INTENDED_USE}</p>'
        f"{banner}{_gates((info or {}).get('gates') or ())}"
    )


def _gates(checks: Sequence[Mapping[str, Any]]) -> str:
    """List the checks that this model version had to pass before it could answer, with figure and limit."""
    if not checks:
        return ""
    rows = "".join(
        f'<tr><td title="{escape(str(c["reason"]))}">{escape(str(c["gate"]).replace("_", " "))}</td>'
        f"<td>{'missing' if c['value'] is None else format(c['value'], '.4g')}</td>"
        f"<td>{escape(str(c['limit']))}</td><td>{'yes' if c['passed'] else 'no'}</td></tr>"
        for c in checks
    )
    passed = sum(bool(c["passed"]) for c in checks)
    return (
        f'<details class="gates"><summary>This version passed {passed} of {len(checks)} checks</summary>'
        '<p><a href="model-card" target="_blank" rel="noopener">Model card: what it is for, how good it is</a></p>'
        '<div class="scroll"><table><thead><tr><th>Check</th><th>Figure</th><th>Limit</th><th>Passed</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div></details>"
    )


def draw_progress(done: int, total: int) -> str:
    """Draw how many of the rows are scored."""
    share = min(done / total, 1)
    return (
        f'<div class="progress" role="progressbar" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{100 * share:.0f}"><p>{done:,} of about {total:,} rows scored</p>'
        f'<div><i style="width:{share:.1%}"></i></div></div>'
    )


def draw_report(tally: Tally) -> str:
    """Summarise a scored file: rows, risk bands of the model, the first errors."""
    scored = tally.rows - tally.failed
    return (
        f'<section class="report" aria-live="polite"><h3>{scored:,} of {tally.rows:,} rows scored</h3>'
        f"{''.join(f'<p>{escape(note)}</p>' for note in tally.notes)}"
        f"{_band_counts(tally)}{_highest(tally)}{_row_errors(tally)}</section>"
    )


def _band_counts(tally: Tally) -> str:
    if not tally.bands:
        return ""
    total = tally.bands.total()
    bars = "".join(
        f'<div class="bar"><dt>{label}</dt><dd><i class="{style}" style="width:{tally.bands[name] / total:.1%}"></i>'
        f'</dd><dd class="figure">{tally.bands[name]:,}</dd></div>'
        for name, (label, style) in RISK_BANDS.items()
    )
    return f'<dl class="bars">{bars}</dl>'


def _highest(tally: Tally) -> str:
    if not tally.highest:
        return ""
    rows = "".join(
        f"<tr><td>{number:,}</td><td>{escape(encounter) or '–'}</td><td>{risk:.0%}</td>"
        f"<td>{escape(RISK_BANDS.get(band, (band, ''))[0]) or '–'}</td></tr>"
        for risk, number, encounter, band in tally.highest
    )
    heading = "The highest risk" if len(tally.highest) == 1 else f"The {len(tally.highest)} highest risks"
    return (
        f'<h3>{heading}</h3><div class="scroll"><table><thead><tr><th>Row</th><th>Encounter</th>'
        f"<th>Risk within 30 days</th><th>Band</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _row_errors(tally: Tally) -> str:
    if not tally.failed:
        return ""
    count = "1 row" if tally.failed == 1 else f"{tally.failed:,} rows"
    rows = "".join(f"<tr><td>{number:,}</td><td>{escape(reason)}</td></tr>" for number, reason in tally.errors)
    shown = len(tally.errors)
    more = f"<p>The first {shown} are shown; the file has all of them.</p>" if tally.failed > shown else ""
    return (
        f'<h3>{count} could not be scored</h3><div class="scroll"><table>'
        f"<thead><tr><th>Row</th><th>Reason</th></tr></thead><tbody>{rows}</tbody></table></div>{more}"
    )


def draw_notice(heading: str, sentence: str) -> str:
    """Draw one reason why the work stopped."""
    content = f"<h3>{escape(heading)}</h3><p>{escape(sentence)}</p>"
    return f'<section class="notice wrong" role="alert">{content}</section>'


def draw_problems(errors: Sequence[Mapping[str, Any]]) -> str:
    """List the API's objections, each a link to its field."""
    items = "".join(
        f'<li><a href="#field-{escape(str(e["field"]))}">{escape(title(str(e["field"])))}</a> '
        f"{escape(objection(e))}</li>"
        for e in errors
    )
    count = "One value needs" if len(errors) == 1 else f"{len(errors)} values need"
    return f'<section class="notice wrong" role="alert"><h3>{count} attention</h3><ul>{items}</ul></section>'


def draw_unavailable(sentence: str) -> str:
    """Draw why there is no answer at present, and what to do."""
    return (
        f'<section class="notice down" role="alert"><h3>No estimate at present</h3><p>{escape(sentence)}</p>'
        "<p>Your entries are kept. Try again in a moment. If the problem persists, contact the operators of this "
        "system.</p></section>"
    )
