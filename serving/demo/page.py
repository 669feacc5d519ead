"""The page's layout and events: one patient, many patients."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder
from prometheus_client import Counter, Histogram

from readmission import contract
from readmission.contract import Column
from serving.demo import form, notices
from serving.demo.answer import draw_answer
from serving.demo.batch import Tally, score
from serving.demo.client import Client, RejectedError, UnavailableError
from serving.demo.labels import objection
from serving.demo.presets import PRESETS, Preset
from serving.demo.table import NotScorableError

TITLE = "Readmission risk"
#: Names that a table may have; what a file is, its content says.
FILES = [".csv", ".txt", ".tsv", ".xlsx", ".xls"]
#: How often to ask the API for its model, in seconds.
REFRESH = 15
#: Uploaded and scored files hold patients' data: Gradio deletes them at this age (seconds).
KEEP_FILES = 900

REQUESTS = Counter("readmission_demo_requests_total", "Requests to the API by outcome.", ["route", "outcome"])
SECONDS = Histogram("readmission_demo_request_seconds", "Time to an answer of the API.", ["route"])

_STALE = "() => document.querySelector('#answer .answer')?.classList.add('stale')"
#: Gradio's own event of a text field does not reach a handler without a function behind it.
STALE_LISTENER = f"addEventListener('input', e => e.target.closest('#form') && ({_STALE})());"
#: Show the answer; after a refusal, move the focus to its summary and mark the inputs for screen readers.
_REVEAL = """() => setTimeout(() => {
  if (innerWidth < 1000) document.querySelector('#answer').scrollIntoView({behavior: 'smooth', block: 'start'});
  for (const field of document.querySelectorAll('#form .field')) {
    const input = field.querySelector('input'), required = field.querySelector('[data-testid=block-info]');
    if (!input) continue;
    const info = [...field.querySelectorAll('[class*=info]')].find(e => e !== required);
    if (info) info.id = `${field.id}-error`;
    input.setAttribute('aria-required', required?.textContent.trim().endsWith('*') ?? false);
    input.setAttribute('aria-invalid', field.classList.contains('invalid'));
    if (field.classList.contains('invalid') && info) input.setAttribute('aria-describedby', info.id);
    else input.removeAttribute('aria-describedby');
  }
  const summary = document.querySelector('#answer .wrong');
  if (summary) { summary.tabIndex = -1; summary.focus() }
}, 100)"""
#: A link of the summary leads to the input itself; Enter in a text field estimates.
KEYBOARD_LISTENER = """addEventListener('click', e => {
  const input = e.target.closest('#answer a[href^="#field-"]')?.hash &&
    document.querySelector(`${e.target.closest('a').hash} input`);
  if (input) { e.preventDefault(); input.focus() }
});
addEventListener('keydown', e => { if (e.key === 'Enter' && e.target.matches('#form .field input:not([role])'))
  document.querySelector('#estimate').click() });"""


def build(client: Client) -> gr.Blocks:
    """Build the page in front of one API."""
    page: gr.Blocks
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(60, KEEP_FILES)) as page:
        header = gr.HTML(notices.draw_header(None), elem_id="header")

        async def status() -> str:
            try:
                return notices.draw_header(await client.model_info())
            except (UnavailableError, RejectedError) as error:
                return notices.draw_header(None, str(error))

        gr.on([page.load, gr.Timer(REFRESH).tick], status, outputs=header, **_quiet())
        with gr.Tabs():
            with gr.Tab("One patient"):
                _one(client)
            with gr.Tab("Many patients (CSV)"):
                _many(client)
        gr.HTML(notices.FOOTER, elem_id="foot")
    return page


def _one(client: Client) -> None:
    with gr.Row(elem_id="one"):
        with gr.Column(elem_id="form", scale=7):
            with gr.Row(elem_id="presets"):
                gr.HTML("<span>Start from a patient who</span>")
                buttons = [gr.Button(preset.outcome, size="sm") for preset in PRESETS]
                clear = gr.Button("Empty form", size="sm", elem_id="clear")
            fields = _fields()
        with gr.Column(elem_id="result", scale=5):
            estimate = gr.Button("Estimate risk", variant="primary", elem_id="estimate")
            answer = gr.HTML(notices.EMPTY, elem_id="answer")

    async def ask(*values: form.Value) -> list[Any]:
        mended, notes = form.mend(values)
        html, problems = await _predict(client, mended, notes)
        pairs = zip(contract.FEATURE_NAMES, values, mended, strict=True)
        return [html, *form.mark(problems, {name: new for name, old, new in pairs if new != old})]

    shown = [answer, *fields]
    asked = gr.on([estimate.click], ask, fields, shown, api_name="estimate", **_quiet())
    asked.then(None, js=_REVEAL)
    for button, preset in zip(buttons, PRESETS, strict=True):
        filled = button.click(_filler(preset), None, fields, **_quiet(), api_visibility="private")
        filled.then(ask, fields, shown, **_quiet(), api_visibility="private").then(None, js=_REVEAL)
    clear.click(lambda: [notices.EMPTY, *_emptied()], None, shown, **_quiet(), api_visibility="private")
    # What is typed is heard by the page's own listener (STALE_LISTENER), what is chosen from a list here.
    gr.on([f.input for f in fields if isinstance(f, gr.Dropdown)], None, js=_STALE)


def _fields() -> list[Any]:
    built: dict[str, Any] = {}

    def add(columns: list[Column]) -> None:
        with gr.Row(elem_classes="fields"):
            built.update({column.name: form.field(column) for column in columns})

    for group, (title, hint) in form.GROUPS.items():
        columns = contract.feature_columns(group)
        with gr.Column(elem_classes="card", elem_id=f"group-{group}"):
            gr.HTML(f"<h2>{title}</h2><p>{hint}</p>", elem_classes="card-title")
            add([c for c in columns if not form.is_rare(c)])
            if rare := [c for c in columns if form.is_rare(c)]:
                with gr.Accordion(f"{len(rare)} rarely used drugs", open=False, elem_classes="rare"):
                    add(rare)
    return [built[name] for name in contract.FEATURE_NAMES]


def _filler(preset: Preset) -> Any:
    return lambda: form.fill(preset.record)


def _emptied() -> list[dict[str, Any]]:
    marks = form.mark({})
    for update, column in zip(marks, contract.FEATURE_COLUMNS, strict=True):
        update["value"] = form.default(column)
    return marks


async def _predict(client: Client, values: Sequence[form.Value], repairs: list[str]) -> tuple[str, dict[str, str]]:
    start, outcome, record = perf_counter(), "answered", form.to_record(values)
    try:
        content = await client.predict(record)
    except RejectedError as error:
        outcome = "rejected"
        return notices.draw_problems(error.errors), {str(e["field"]): objection(e) for e in error.errors}
    except UnavailableError as error:
        outcome = "unavailable"
        return notices.draw_unavailable(str(error)), {}
    finally:
        REQUESTS.labels("predict", outcome).inc()
        SECONDS.labels("predict").observe(perf_counter() - start)
    if str(record.get("discharge_disposition_id")) in map(str, contract.EXCLUDED_DISPOSITIONS):
        return notices.NOT_POSSIBLE, {}
    version = str(content["model_version"])
    info, explanation = await asyncio.gather(
        _of_version(version, client.model_info()), _of_version(version, client.explain(record))
    )
    content["notes"] = [*repairs, *(content.get("notes") or ())]
    return draw_answer(content, info, explanation, record), {}


async def _of_version(version: str, answer: Awaitable[dict[str, Any]]) -> dict[str, Any] | None:
    """Return an answer about one model version, or None if there is none or it is about another.

    The challenger may have answered the prediction, or the champion may just have changed.
    """
    try:
        content = await answer
    except (UnavailableError, RejectedError):
        return None
    return content if str(content["model_version"]) == version else None


def _many(client: Client) -> None:
    with gr.Column(elem_classes="card", elem_id="many"):
        gr.HTML(notices.CSV_HELP, elem_classes="card-title")
        upload = gr.File(label="File of encounters", file_types=FILES, elem_id="upload", height=140)
        report = gr.HTML(elem_id="report")
        download = gr.DownloadButton("Download the scored CSV", visible=False, variant="primary", elem_id="download")

    async def run(path: str | None) -> AsyncIterator[tuple[str, Any]]:
        if path is None:
            yield "", gr.update(visible=False)
            return
        if not is_uploaded(Path(path)):
            yield (
                notices.draw_notice("This file cannot be scored", "It was not uploaded here."),
                gr.update(visible=False),
            )
            return
        async for step in _score(client, Path(path)):
            yield step

    upload.change(run, upload, [report, download], api_name="score_csv", **_quiet(), api_visibility="private")


def is_uploaded(path: Path) -> bool:
    """Return whether a path, its links followed, is below Gradio's folder of uploads: a request may name any path."""
    return path.resolve().is_relative_to(Path(get_upload_folder()).resolve())


async def _score(client: Client, source: Path) -> AsyncIterator[tuple[str, Any]]:
    hidden = gr.update(visible=False)
    outcome, tally = "answered", Tally()
    with source.open("rb") as lines:
        total = max(sum(1 for _ in lines) - 1, 1)
    yield notices.draw_progress(0, total), hidden
    # Beside the upload: in Gradio's cache, where `delete_cache` finds it.
    target = source.with_name(f"{source.stem}-scored.csv")
    try:
        async for tally in score(client, source, target):
            yield notices.draw_progress(tally.rows, total), hidden
        yield notices.draw_report(tally), gr.update(visible=True, value=str(target))
    except NotScorableError as error:
        outcome = "rejected"
        yield notices.draw_notice("This file cannot be scored", str(error)), hidden
    except (UnavailableError, RejectedError) as error:
        outcome = "unavailable"
        yield notices.draw_unavailable(str(error)), hidden
    finally:
        REQUESTS.labels("predict_batch", outcome).inc()


def _quiet() -> dict[str, Any]:
    """Answer several people at once, without Gradio's spinner over the page."""
    return {"show_progress": "hidden", "concurrency_limit": 8}
