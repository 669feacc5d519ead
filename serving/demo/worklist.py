"""The follow-up team's list as a page of its own: discharges by risk, the team's capacity as the cut, what was done.

Plain HTML with forms, without a script: it prints well and works in any browser of a ward.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any
from urllib.parse import parse_qs, urlsplit

from fastapi import APIRouter, Request, Response
from starlette.responses import RedirectResponse

from readmission.contract.risk import INTENDED_USE
from serving.demo.client import DemoClient, RejectedError, UnavailableError
from serving.demo.language import DEFAULT, count, current, mark, percent, speaking, tr

PATH = "/discharges"
#: What the team may have done, as the API takes it.
ACTIONS = (mark("called"), mark("visit booked"), mark("not reached"))
#: The page is styled by itself and runs no script.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
_MAX_FORM = 4_096
_STYLE = """
:root{color-scheme:light dark;--ink:#14303a;--soft:#4c636b;--line:#d3dfe1;--paper:#fff;--wash:#f2f6f6;--accent:#0b6470;
--on:#fff;--bar:#b03a24}
@media(prefers-color-scheme:dark){:root{--ink:#e6f0f2;--soft:#a7bbc1;--line:#2f444b;--paper:#16262c;--wash:#0d181c;
--accent:#5fc4cf;--on:#04262b;--bar:#f0806b}}
body{font:15px/1.5 system-ui,sans-serif;margin:0;background:var(--wash);color:var(--ink)}
main{max-width:1240px;margin:0 auto;padding:20px}h1{font-size:26px;line-height:1.2;margin:0}p{margin:4px 0 12px}
.soft{color:var(--soft)}a{color:var(--accent)}table{width:100%;border-collapse:collapse;background:var(--paper)}
caption{text-align:left;padding:8px 0}th,td{text-align:left;padding:8px 12px;border-bottom:1px solid var(--line);
vertical-align:middle}td.number{font-variant-numeric:tabular-nums;white-space:nowrap}
td{overflow-wrap:anywhere}tr.cut td{border-top:3px solid var(--bar)}tr.beyond{color:var(--soft)}
form{display:flex;gap:6px;flex-wrap:wrap}
select,button{font:inherit;padding:6px 10px;border-radius:8px;border:1px solid var(--soft);background:var(--paper);
color:var(--ink)}button{background:var(--accent);color:var(--on);border-color:var(--accent);cursor:pointer}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
.notice{background:var(--paper);border:1px solid var(--line);border-radius:8px;padding:12px 16px}
@media(max-width:900px){thead{position:absolute;clip-path:inset(50%);width:1px;height:1px;overflow:hidden}
tr{display:block;border-bottom:1px solid var(--line);padding:8px 0}tr.cut td{border-top:0}
tr.cut{border-top:3px solid var(--bar)}td{display:grid;grid-template-columns:9.5rem 1fr;border:0;padding:2px 12px}
td::before{content:attr(data-label);color:var(--soft)}}
@media print{form,nav{display:none}}
"""


def routes(client: DemoClient, language: str = DEFAULT) -> APIRouter:
    """Return the page, the file and the form of the list in one language."""
    router = APIRouter()

    @router.get(PATH)
    async def show() -> Response:
        """Return the list as a page."""
        with speaking(language):
            try:
                return _page(draw_list(await client.worklist()))
            except (UnavailableError, RejectedError) as error:
                return _page(_alert(error), 503)

    @router.get(f"{PATH}.csv")
    async def export() -> Response:
        """Return the list as a file."""
        with speaking(language):
            try:
                content = await client.worklist_file()
            except UnavailableError as error:
                return Response(_sentence(error), 503, media_type="text/plain")
        headers = {"content-disposition": 'attachment; filename="discharges.csv"', "cache-control": "no-store"}
        return Response(content, headers=headers, media_type="text/csv")

    @router.post(PATH)
    async def record(request: Request) -> Response:
        """Record what was done about one discharge, and show the list again."""
        origin = request.headers.get("origin")
        if origin and urlsplit(origin).netloc != request.headers.get("host"):
            return Response("The form was sent from another site.", 403, media_type="text/plain")
        fields = parse_qs((await request.body())[:_MAX_FORM].decode("utf-8", "replace"))
        prediction, action = (fields.get(name, [""])[0] for name in ("prediction_id", "action"))
        with speaking(language):
            try:
                await client.follow_up(prediction, action)
            except (UnavailableError, RejectedError) as error:
                return _page(_alert(error), 503)
        return RedirectResponse(PATH.removeprefix("/"), 303)

    return router


def draw_list(worklist: Mapping[str, Any]) -> str:
    """Draw the discharges; those beyond the team's capacity stand below the cut."""
    discharges: Sequence[Mapping[str, Any]] = worklist["discharges"]
    if not discharges:
        return f'<p class="notice">{tr("No patient was discharged today or yesterday, or none was estimated.")}</p>'
    capacity = int(worklist["capacity"])
    rows = "".join(_row(each, capacity) for each in discharges)
    done = sum(bool(each["follow_up"]) for each in discharges)
    caption = tr(
        "{discharges} discharges; the team can follow up {capacity}; something was done for {done}.",
        discharges=count(len(discharges)),
        capacity=count(capacity),
        done=count(done),
    )
    if len(discharges) > capacity:
        caption += f" {tr('The red line is the capacity.')}"
    head = "".join(f'<th scope="col">{tr(name)}</th>' for name in _COLUMNS)
    return f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


_COLUMNS = (
    mark("Rank"),
    mark("Risk in 30 days"),
    mark("Patient"),
    mark("Stay"),
    mark("Discharged"),
    mark("Done"),
    mark("Note what was done"),
)
_NUMBERS = _COLUMNS[:2] + _COLUMNS[4:5]


def _row(each: Mapping[str, Any], capacity: int) -> str:
    rank = int(each["rank"])
    style = "" if each["within_capacity"] else ' class="cut beyond"' if rank == capacity + 1 else ' class="beyond"'
    done = f"{escape(tr(str(each['follow_up'])))}, {escape(str(each['noted_at'])[:16].replace('T', ' '))} UTC"
    cells = (
        f"{rank}",
        percent(float(each["readmission_risk_30d"])),
        escape(str(each["patient"])),
        escape(str(each["stay"])),
        escape(str(each["discharged_on"])),
        done if each["follow_up"] else f'<span class="soft">{tr("nothing yet")}</span>',
        _form(str(each["prediction_id"]), str(each["patient"])),
    )
    drawn = "".join(
        f'<td data-label="{tr(name)}"{" class=number" if name in _NUMBERS else ""}>{cell}</td>'
        for name, cell in zip(_COLUMNS, cells, strict=True)
    )
    return f"<tr{style}>{drawn}</tr>"


def _form(prediction_id: str, patient: str) -> str:
    options = "".join(f'<option value="{action}">{tr(action)}</option>' for action in ACTIONS)
    asked = escape(tr("What was done for {patient}", patient=patient))
    return (
        f'<form method="post"><input type="hidden" name="prediction_id" value="{escape(prediction_id)}">'
        f'<select name="action" aria-label="{asked}">{options}</select>'
        f'<button aria-label="{escape(tr("Note it for {patient}", patient=patient))}">{tr("Note")}</button></form>'
    )


def _page(content: str, status: int = 200) -> Response:
    title = tr("Discharges to follow up")
    html = (
        f'<!doctype html><html lang="{current()}"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body><main><h1>{title}</h1>'
        f'<p class="soft">{tr("Today and yesterday, the highest risk of a readmission within 30 days first.")} '
        f'{tr(INTENDED_USE)}</p><nav><p><a href="./">{tr("Estimate a patient")}</a> · '
        f'<a href="discharges.csv">{tr("Export as CSV")}</a> · <a href="discharges">{tr("Refresh")}</a></p></nav>'
        f"{content}</main></body></html>"
    )
    headers = {"Content-Security-Policy": POLICY, "cache-control": "no-store"}
    return Response(html, status, headers, media_type="text/html")


def _alert(error: Exception) -> str:
    return f'<p class="notice" role="alert">{escape(_sentence(error))}</p>'


def _sentence(error: Exception) -> str:
    if isinstance(error, RejectedError):
        allowed = "; ".join(str(each["allowed"]) for each in error.errors)
        return f"{tr('What was done could not be noted:')} {allowed}"
    return tr(str(error))
