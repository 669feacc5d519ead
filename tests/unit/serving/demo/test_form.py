"""The form: presets, empty fields, one input per feature."""

import gradio as gr
import pytest

from readmission import contract
from serving.demo import form
from serving.demo.presets import PRESETS, Preset


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.outcome)
def test_preset_is_a_request_of_the_contract(preset: Preset) -> None:
    for name, value in preset.record.items():
        assert contract.BY_NAME[name].problem(str(value)) is None, name
    assert all(column.name in preset.record for column in contract.FEATURE_COLUMNS if column.required)
    assert not set(contract.IDENTIFIERS) & set(preset.record)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.outcome)
def test_form_gives_back_what_it_was_filled_with(preset: Preset) -> None:
    request = form.to_record(form.fill(preset.record))
    assert preset.record.items() <= request.items()
    added = {name: request[name] for name in request.keys() - preset.record.keys()}
    assert added == {name: contract.BY_NAME[name].assumed for name in added}, "only what the API would assume"


def test_form_has_an_input_for_every_feature_with_every_level() -> None:
    for column in contract.FEATURE_COLUMNS:
        component = form.field(column)
        if column.pattern:
            assert isinstance(component, gr.Dropdown) and component.allow_custom_value
        if column.levels:
            assert isinstance(component, gr.Dropdown)
            assert {value for _, value in component.choices} - {""} == set(column.levels)
        assert component.elem_id == f"field-{column.name}"


def test_empty_form_sends_only_what_the_api_would_assume() -> None:
    empty = form.to_record([form.default(column) for column in contract.FEATURE_COLUMNS])
    assert empty == {c.name: c.assumed for c in contract.FEATURE_COLUMNS if c.assumed is not None}


def test_fraction_reaches_the_api_unrounded() -> None:
    values = form.fill(contract.EXAMPLE)
    values[contract.FEATURE_NAMES.index("time_in_hospital")] = "2.5"
    assert form.to_record(values)["time_in_hospital"] == "2.5"


def test_mark_shows_the_objection_at_its_field_only() -> None:
    marks = dict(zip(contract.FEATURE_NAMES, form.mark({"age": "is required."}), strict=True))
    assert marks["age"]["info"] == "Required."
    assert "invalid" in marks["age"]["elem_classes"]
    assert not any("invalid" in mark["elem_classes"] for name, mark in marks.items() if name != "age")


def test_codes_and_years_are_repaired_visibly() -> None:
    values = form.fill({"diag_1": "v27", "diag_2": "25083", "diag_3": "E11.9", "age": "72"})
    mended, notes = form.mend(values)
    by_name = dict(zip(contract.FEATURE_NAMES, mended, strict=True))
    assert [by_name[name] for name in ("diag_1", "diag_2", "diag_3", "age")] == ["V27", "250.83", "E11.9", "[70-80)"]
    assert notes == [
        "Age: “72” was read as 70–79 years.",
        "Primary diagnosis: “v27” was read as V27.",
        "Second diagnosis: “25083” was read as 250.83 · Diabetes mellitus.",
    ]
    assert form.mend(mended)[1] == []
