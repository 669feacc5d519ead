"""Say everything on the page that is not an answer: state of the system, help, progress, errors."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from serving.demo.batch import Tally
from serving.demo.words import objection, title

EMPTY = """<section class="notice empty"><h3>No estimate yet</h3>
<p>Fill in the form, or start from an example, then choose <b>Estimate risk</b>.</p>
<p>Fields with * are needed. What else is left empty is taken as not known; the answer lists it.</p>
</section>"""
FOOTER = """<p>Estimates describe groups of patients, not one patient's future. They support clinical
judgement and do not replace it.
Examples: UCI data set “Diabetes 130-US hospitals”, 1999–2008 (CC BY 4.0).</p>"""
CSV_HELP = """<h2>Score a file</h2><p>One encounter a line, with the data set's own column names; a column
<code>readmitted</code> is dropped. A row that cannot be scored keeps its place and says why.
Files are deleted from this server after a quarter of an hour.</p>"""


def header(info: Mapping[str, Any] | None, problem: str = "") -> str:
    """Draw the page's head: title, which model answers, and a banner when the data are synthetic.

    Args:
        info: the API's /model-info; None when there is none yet.
        problem: why there is none; empty while the first answer is awaited.
    """
    if info is not None:
        said = f"{info['model_name']} · version {info['model_version']}"
        state = f'<span class="state up" title="Model in use"><i></i>{escape(said)}</span>'
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
        f"{state}</header>{banner}{_gates((info or {}).get('gates') or ())}"
    )


def _gates(checks: Sequence[Mapping[str, Any]]) -> str:
    """List what this version of the model had to show before it might answer, with figure and limit."""
    if not checks:
        return ""
    rows = "".join(
        f'<tr><td title="{escape(str(c["reason"]))}">{escape(str(c["gate"]).replace("_", " "))}</td>'
        f"<td>{'missing' if c['value'] is None else format(c['value'], '.4g')}</td>"
        f"<td>{escape(str(c['limit']))}</td><td>{'yes' if c['passed'] else 'no'}</td></tr>"
        for c in checks
    )
    met = sum(bool(c["passed"]) for c in checks)
    return (
        f'<details class="gates"><summary>{met} of {len(checks)} checks met before this version could answer</summary>'
        '<p><a href="model-card" target="_blank" rel="noopener">Model card: what it is for, how good it is</a></p>'
        '<div class="scroll"><table><thead><tr><th>Check</th><th>Figure</th><th>Limit</th><th>Met</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div></details>"
    )


def progress(done: int, total: int) -> str:
    """Draw how many of the rows are scored."""
    share = min(done / total, 1)
    return (
        f'<div class="progress" role="progressbar" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{share:.0%}"><p>{done:,} of about {total:,} rows scored</p>'
        f'<div><i style="width:{share:.1%}"></i></div></div>'
    )


def report(tally: Tally) -> str:
    """Sum up a scored file: rows, bands of risk, the first errors."""
    scored = tally.rows - tally.failed
    kinds = (("low", "lower than usual"), ("medium", "about usual"), ("high", "higher than usual"))
    bands = "".join(
        f'<div class="bar"><dt>Risk {said}</dt><dd><i class="{kind}" '
        f'style="width:{tally.bands[kind] / max(scored, 1):.1%}"></i></dd>'
        f'<dd class="figure">{tally.bands[kind]:,}</dd></div>'
        for kind, said in kinds
    )
    rows = "".join(f"<tr><td>{number:,}</td><td>{escape(text)}</td></tr>" for number, text in tally.errors)
    more = (
        f"<p>The first {len(tally.errors)} are shown; the file has all.</p>" if tally.failed > len(tally.errors) else ""
    )
    count = "1 row" if tally.failed == 1 else f"{tally.failed:,} rows"
    errors = (
        f'<h3>{count} could not be scored</h3><div class="scroll"><table>'
        f"<thead><tr><th>Row</th><th>Why</th></tr></thead><tbody>{rows}</tbody></table></div>{more}"
        if tally.failed
        else ""
    )
    return (
        f'<section class="report" aria-live="polite"><h3>{scored:,} of {tally.rows:,} rows scored</h3>'
        f'<dl class="bars">{bands}</dl>{errors}</section>'
    )


def notice(title: str, sentence: str) -> str:
    """Say one thing that stopped the work."""
    said = f"<h3>{escape(title)}</h3><p>{escape(sentence)}</p>"
    return f'<section class="notice wrong" role="alert">{said}</section>'


def problems(errors: Sequence[Mapping[str, Any]]) -> str:
    """List the API's objections, each a link to its field."""
    items = "".join(
        f'<li><a href="#field-{escape(str(e["field"]))}">{escape(title(str(e["field"])))}</a> '
        f"{escape(objection(e))}</li>"
        for e in errors
    )
    count = "One value needs" if len(errors) == 1 else f"{len(errors)} values need"
    return f'<section class="notice wrong" role="alert"><h3>{count} attention</h3><ul>{items}</ul></section>'


def unavailable(sentence: str) -> str:
    """Say kindly that there is no answer just now."""
    return (
        f'<section class="notice down" role="alert"><h3>No estimate just now</h3><p>{escape(sentence)}</p>'
        "<p>Your entries are kept. Please try again in a moment; if it stays like this, tell the people who "
        "run this system.</p></section>"
    )
