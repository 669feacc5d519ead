"""The page's layout and events: one patient, many patients."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder
from prometheus_client import Counter, Histogram

from readmission import contract
from readmission.contract import icd
from serving.demo import form, notices
from serving.demo.answer import draw_answer
from serving.demo.batch import Tally, score
from serving.demo.client import DemoClient, RejectedError, UnavailableError
from serving.demo.labels import objection
from serving.demo.language import current, mark, speak_each, speaking, tr
from serving.demo.presets import PRESETS
from serving.demo.table import NotScorableError
from serving.demo.uploads import KEEP_FILES

TITLE = mark("Readmission risk")
#: Names that a table may have; what a file is, its content says.
FILES = [".csv", ".txt", ".tsv", ".xlsx", ".xls"]
#: How often to ask the API for its model, in seconds.
REFRESH = 15
#: How often Gradio looks for files to delete, in seconds.
LOOK_FOR_FILES = 60

REQUESTS = Counter("readmission_demo_requests_total", "Requests to the API by outcome.", ["route", "outcome"])
SECONDS = Histogram("readmission_demo_request_seconds", "Time to an answer of the API.", ["route"])

Answer = tuple[str, dict[str, Any]]


def build(client: DemoClient, language: str, system: icd.System = "9cm") -> gr.Blocks:
    """Build the page in front of one API.

    Args:
        client: Connections to the API.
        language: Code of the language that the page speaks.
        system: Code system of diagnoses that is chosen at first.
    """
    page: gr.Blocks
    with (
        speaking(language),
        gr.Blocks(title=tr(TITLE), analytics_enabled=False, delete_cache=(LOOK_FOR_FILES, KEEP_FILES)) as page,
    ):
        header = gr.HTML(notices.draw_header(None), elem_id="header")

        async def status() -> str:
            with speaking(language):
                try:
                    return notices.draw_header(await client.model_info())
                except (UnavailableError, RejectedError) as error:
                    return notices.draw_header(None, str(error))

        gr.on([page.load, gr.Timer(REFRESH).tick], status, outputs=header, **_quiet())
        with gr.Tabs():
            with gr.Tab(tr("One patient")):
                _one(client, system)
            with gr.Tab(tr("Many patients (CSV)")):
                _many(client, system)
        gr.HTML(notices.draw_footer(), elem_id="foot")
    return page


def _one(client: DemoClient, system: icd.System) -> None:
    language = current()
    with gr.Row(elem_id="one"):
        with gr.Column(scale=7):
            with gr.Row(elem_id="presets"):
                gr.HTML(f"<span>{tr('Start from a patient who')}</span>")
                buttons = [gr.Button(tr(preset.outcome), size="sm") for preset in PRESETS]
                clear = gr.Button(tr("Empty form"), size="sm", elem_id="clear")
            gr.HTML(form.draw(system), elem_id="form")
        with gr.Column(elem_id="result", scale=5):
            estimate = gr.Button(tr("Estimate risk"), variant="primary", elem_id="estimate")
            answer = gr.HTML(notices.draw_empty(), elem_id="answer")
    # What passes between form.js and `ask`: the form's texts, and what the answer leaves at its fields.
    values, marks = gr.JSON({}, visible=False), gr.JSON({}, visible=False)

    async def ask(texts: form.Values) -> Answer:
        with speaking(language):
            return await _answer(client, texts)

    empty = notices.draw_empty()
    for button, read, public in (
        (estimate, "values()", True),
        *((button, f"fill({_texts(preset.record)})", False) for button, preset in zip(buttons, PRESETS, strict=True)),
    ):
        visibility: dict[str, Any] = {"api_name": "estimate"} if public else {"api_visibility": "private"}
        asked = button.click(
            ask, values, [answer, marks], js=f"() => [readmissionForm.{read}]", **visibility, **_quiet()
        )
        asked.then(None, marks, js="marks => { readmissionForm.mark(marks); readmissionForm.reveal() }")
    clear.click(lambda: empty, None, answer, api_visibility="private", **_quiet()).then(
        None, js=f"() => readmissionForm.clear({_texts({contract.ICD.name: system})})"
    )


def _texts(record: dict[str, str | int] | Any) -> str:
    return json.dumps(form.fill(record), ensure_ascii=False)


async def _answer(client: DemoClient, texts: form.Values) -> Answer:
    """Return the answer's picture, and what it leaves at the fields."""
    mended, notes = form.mend(texts)
    html, problems = await _predict(client, mended, notes)
    return html, form.marks(problems, texts, mended)


async def _predict(client: DemoClient, values: form.Values, repairs: list[str]) -> tuple[str, dict[str, str]]:
    start, outcome, record = perf_counter(), "answered", form.to_record(values)
    try:
        content = await client.predict(record)
    except RejectedError as error:
        outcome = "rejected"
        objections = {str(e["field"]): objection(e, record) for e in error.errors}
        return notices.draw_problems(error.errors, record), objections
    except UnavailableError as error:
        outcome = "unavailable"
        return notices.draw_unavailable(str(error)), {}
    finally:
        REQUESTS.labels("predict", outcome).inc()
        SECONDS.labels("predict").observe(perf_counter() - start)
    if str(record.get("discharge_disposition_id")) in map(str, contract.EXCLUDED_DISPOSITIONS):
        return notices.draw_not_possible(), {}
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


def _many(client: DemoClient, system: icd.System) -> None:
    with gr.Column(elem_classes="card", elem_id="many"):
        gr.HTML(notices.draw_file_help(system), elem_classes="card-title")
        # Not gr.File: its words are in the browser's language, whatever the page's is.
        upload = gr.UploadButton(tr("Choose a file …"), file_types=FILES, elem_id="upload", variant="primary")
        report = gr.HTML(elem_id="report")
        download = gr.DownloadButton(
            tr("Download the scored CSV"), visible=False, variant="primary", elem_id="download"
        )
    run = _scoring(client, current())
    # The code system that is chosen beside the upload.
    chosen = gr.JSON({}, visible=False)
    choose = f"(path, _) => [path, {{{contract.ICD.name}: document.getElementById('file-icd').value}}]"
    upload.upload(
        run, [upload, chosen], [report, download], js=choose, api_name="score_csv", **_quiet(), api_visibility="private"
    )


def _scoring(client: DemoClient, language: str) -> Callable[[str | None, form.Values], AsyncIterator[tuple[str, Any]]]:
    async def steps(path: str | None, chosen: form.Values) -> AsyncIterator[tuple[str, Any]]:
        hidden = gr.update(visible=False)
        if path is None:
            yield "", hidden
        elif not is_uploaded(Path(path)):
            yield notices.draw_notice(tr(_NOT_SCORABLE), tr("It was not uploaded here.")), hidden
        else:
            async for step in _score(client, Path(path), form.system_of(chosen)):
                yield step

    async def run(path: str | None, chosen: form.Values) -> AsyncIterator[tuple[str, Any]]:
        async for step in speak_each(language, steps(path, chosen)):
            yield step

    return run


def is_uploaded(path: Path) -> bool:
    """Return whether a path, its links followed, is below Gradio's folder of uploads: a request may name any path."""
    return path.resolve().is_relative_to(Path(get_upload_folder()).resolve())


_NOT_SCORABLE = mark("This file cannot be scored")


async def _score(client: DemoClient, source: Path, system: icd.System) -> AsyncIterator[tuple[str, Any]]:
    hidden = gr.update(visible=False)
    outcome, tally = "answered", Tally()
    with source.open("rb") as lines:
        total = max(sum(1 for _ in lines) - 1, 1)
    yield notices.draw_progress(0, total), hidden
    # Beside the upload: in Gradio's cache, where `delete_cache` finds it.
    target = source.with_name(f"{source.stem}-scored.csv")
    try:
        async for tally in score(client, source, target, system):
            yield notices.draw_progress(tally.rows, total), hidden
        yield notices.draw_report(tally), gr.update(visible=True, value=str(target))
    except NotScorableError as error:
        outcome = "rejected"
        yield notices.draw_notice(tr(_NOT_SCORABLE), str(error)), hidden
    except (UnavailableError, RejectedError) as error:
        outcome = "unavailable"
        yield notices.draw_unavailable(str(error)), hidden
    finally:
        REQUESTS.labels("predict_batch", outcome).inc()


def _quiet() -> dict[str, Any]:
    """Answer several people at once, without Gradio's spinner over the page."""
    return {"show_progress": "hidden", "concurrency_limit": 8}
