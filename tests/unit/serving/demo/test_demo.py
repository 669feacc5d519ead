"""The demo's parts that need no browser: form, words, pictures, files."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readmission import contract
from serving.demo import form, notices
from serving.demo.answer import answer, band, hundred
from serving.demo.batch import NotScorableError, Tally, score, to_record
from serving.demo.client import Client, RejectedError, UnavailableError
from serving.demo.presets import PRESETS
from serving.demo.words import objection, words


@pytest.mark.parametrize("preset", PRESETS, ids=lambda p: p.label)
def test_preset_is_a_request_of_the_contract(preset: Any) -> None:
    for name, value in preset.record.items():
        assert contract.BY_NAME[name].problem(str(value)) is None, name
    assert all(column.name in preset.record for column in contract.FEATURE_COLUMNS if column.required)
    assert not set(contract.IDENTIFIERS) & set(preset.record)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda p: p.label)
def test_form_gives_back_what_it_was_filled_with(preset: Any) -> None:
    request = form.to_record(form.fill(preset.record))
    assert preset.record.items() <= request.items()
    added = {name: request[name] for name in request.keys() - preset.record.keys()}
    assert added == {name: contract.BY_NAME[name].assumed for name in added}, "only what the API would assume"


def test_form_has_an_input_for_every_feature_with_every_level() -> None:
    for column in contract.FEATURE_COLUMNS:
        component = form.field(column)
        if column.levels:
            assert {value for _, value in component.choices} - {""} == set(column.levels)
        assert component.elem_id == f"field-{column.name}"


def test_empty_form_asks_for_nothing_it_does_not_know() -> None:
    empty = form.to_record([form.default(column) for column in contract.FEATURE_COLUMNS])
    assert empty == {c.name: c.assumed for c in contract.FEATURE_COLUMNS if c.assumed is not None}


def test_fraction_reaches_the_api_unrounded() -> None:
    values = form.fill(contract.EXAMPLE)
    values[contract.FEATURE_NAMES.index("time_in_hospital")] = "2.5"
    assert form.to_record(values)["time_in_hospital"] == "2.5"


def test_levels_have_distinct_words() -> None:
    for column in contract.FEATURE_COLUMNS:
        said = [words(column, level) for level in column.levels]
        assert len(set(said)) == len(said), column.name


@given(st.tuples(*[st.floats(0.001, 1)] * 3))
def test_hundred_patients_are_a_hundred(weights: tuple[float, float, float]) -> None:
    probabilities = {name: w / sum(weights) for name, w in zip(contract.CLASSES, weights, strict=True)}
    counts = hundred(probabilities)
    assert sum(counts.values()) == 100
    assert all(abs(counts[name] - 100 * probabilities[name]) < 1.001 for name in counts)
    assert f"{counts['<30']}%" == f"{probabilities['<30']:.0%}", "as the headline says it"


def test_bands_are_in_order() -> None:
    assert [band(risk)[1] for risk in (0.0, 0.0799, 0.08, 0.1999, 0.2, 1.0)] == [
        "low", "low", "medium", "medium", "high", "high",
    ]  # fmt: skip


def test_what_the_api_says_is_escaped() -> None:
    content = {
        "prediction_id": "<b>", "prediction": "NO", "probabilities": {"NO": 0.7, ">30": 0.2, "<30": 0.1},
        "readmission_risk_30d": 0.1, "model_name": "<script>", "model_version": "1", "missing": ["race"],
        "notes": ["<i>"], "risk_band": "<q>",
    }  # fmt: skip
    drawn = answer(content) + notices.problems([{"field": "<u>", "problem": "<s>", "allowed": "<q>"}])
    assert not any(tag in drawn for tag in ("<script>", "<u>", "<s>", "<q>", "<code><b>", "<i>"))
    assert "1 field was assumed" in drawn
    assert "Race" in drawn


def test_header_says_when_the_data_are_synthetic() -> None:
    info = {"model_name": "m", "model_version": "3", "synthetic": True}
    assert "Synthetic data" in notices.header(info)
    assert "Synthetic data" not in notices.header({**info, "synthetic": False})
    assert "cannot be reached" in notices.header(None, "The prediction service cannot be reached.")


def test_header_shows_what_the_model_had_to_show() -> None:
    check = {
        "gate": "fair_risk",
        "value": 1.21,
        "limit": "at most 1.25",
        "passed": True,
        "reason": "<b>four</b>",
    }
    info = {"model_name": "m", "model_version": "3", "synthetic": False}
    told = notices.header({**info, "gates": [check, {**check, "value": None, "passed": False}]})
    assert "1 of 2 checks met" in told and "fair risk" in told and "1.21" in told and "missing" in told
    assert "<b>four" not in told and "checks met" not in notices.header(info)


def test_objection_is_a_sentence_without_the_api_s_own_tail() -> None:
    column = contract.BY_NAME["diag_1"]
    said = objection({"field": "diag_1", "problem": "pattern", "allowed": column.allowed + "; may be absent or null"})
    assert said == "is not such a code: give an ICD-9 code such as '250.83', '428', 'V27' or 'E878'."


def test_row_of_a_file_becomes_a_request() -> None:
    row = {
        "race": "?", "gender": "Female", "age": "[70-80)", "time_in_hospital": "3", "admission_type_id": "x",
        "number_inpatient": "", "max_glu_serum": "None", "readmitted": "NO", "extra": "1",
    }  # fmt: skip
    assert to_record(row) == {
        "gender": "Female", "age": "[70-80)", "time_in_hospital": 3, "admission_type_id": "x",
        "max_glu_serum": "None",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"a,b\n1,2\n", "missing: gender"),
        (b"\xff\xfe\x00", "not a CSV file"),
        (b"", "missing: gender"),
        ((",".join(contract.COLUMN_NAMES) + "\n").encode(), "no rows"),
    ],
)
def test_wrong_file_is_refused_with_a_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    source = tmp_path / "in.csv"
    source.write_bytes(content)
    with pytest.raises(NotScorableError, match=sentence):
        _run(score(Client("http://127.0.0.1:9"), source, tmp_path / "out.csv"))


def test_api_down_is_said_not_raised(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="cannot be reached"):
        asyncio.run(Client("http://127.0.0.1:9").predict({}))


@pytest.mark.parametrize(
    ("status", "body", "raised", "said"),
    [
        (400, {"errors": [{"field": "age", "problem": "level", "allowed": "x"}]}, RejectedError, "1 field"),
        (503, {"error": "no model"}, UnavailableError, "has no model"),
        (429, None, UnavailableError, "busy"),
        (500, None, UnavailableError, "HTTP 500"),
        (200, None, UnavailableError, "HTTP 200"),
    ],
)
def test_every_status_has_its_sentence(status: int, body: Any, raised: type[Exception], said: str) -> None:
    content = b"<html>" if body is None else json.dumps(body).encode()
    client = Client("http://api")
    client._http = httpx.AsyncClient(
        base_url="http://api",
        transport=httpx.MockTransport(lambda _: httpx.Response(status, content=content)),
    )
    with pytest.raises(raised, match=said):
        asyncio.run(client.predict({}))


def _run(steps: AsyncIterator[Tally]) -> list[Tally]:
    async def collect() -> list[Tally]:
        return [step async for step in steps]

    return asyncio.run(collect())
