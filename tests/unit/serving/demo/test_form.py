"""The form: presets, empty fields, one input per feature."""

import re
from html.parser import HTMLParser

import pytest

from readmission import contract
from serving.demo import form
from serving.demo.labels import describe_level
from serving.demo.language import speaking
from serving.demo.presets import PRESETS, Preset


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.outcome)
def test_preset_is_a_request_of_the_contract(preset: Preset) -> None:
    for name, value in preset.record.items():
        assert contract.BY_NAME[name].problem(str(value)) is None, name
    assert all(column.name in preset.record for column in contract.FEATURE_COLUMNS if column.required)
    assert not set(contract.IDENTIFIERS) & set(preset.record)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.outcome)
def test_form_gives_back_what_it_was_filled_with(preset: Preset) -> None:
    mended, notes = form.mend(form.fill(preset.record))
    assert notes == []
    request = form.to_record(mended)
    assert preset.record.items() <= request.items()
    added = {name: request[name] for name in request.keys() - preset.record.keys()}
    assert added == {c.name: c.assumed for c in form.STATED if c.name in added}, "only what the API would assume"


class Controls(HTMLParser):
    """The controls of a form with their levels, and the labels and ids of the page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.controls: dict[str, dict[str, str | None]] = {}
        self.levels: dict[str, list[str]] = {}
        self.labels: set[str | None] = set()
        self.ids: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.ids += [str(attributes["id"])] if "id" in attributes else []
        if tag == "label":
            self.labels.add(attributes["for"])
        if tag in ("input", "select"):
            self.controls[str(attributes["name"])] = {**attributes, "tag": tag}
            self.levels[str(attributes["name"])] = []
        if tag == "option" and self.controls:
            self.levels[list(self.controls)[-1]].append(str(attributes["value"]))


@pytest.mark.parametrize("language", ["en", "es"])
def test_form_has_a_native_control_with_a_label_for_every_feature_with_every_level(language: str) -> None:
    with speaking(language):
        drawn = Controls(form.draw())
    assert list(drawn.controls) == [c.name for g in form.GROUPS for c in _shown(g)]
    assert len(drawn.ids) == len(set(drawn.ids))
    for column in form.STATED:
        control = drawn.controls[column.name]
        assert control["id"] in drawn.labels
        assert control["aria-required"] == str(column.required).lower()
        assert set((control.get("aria-describedby") or "").split()) <= set(drawn.ids)
        typed = column.pattern or not column.levels or column.name == "age"
        assert control["tag"] == ("input" if typed else "select"), column.name
        if not typed:
            assert sorted(set(drawn.levels[column.name]) - {""}) == sorted(column.levels)
            assert len(drawn.levels[column.name]) == len(set(drawn.levels[column.name]))


def _shown(group: contract.Group) -> list[contract.Column]:
    return sorted((column for column in form.STATED if column.group == group), key=form._is_rare)


def test_frequent_levels_of_long_lists_come_first() -> None:
    drawn = Controls(form.draw())
    for name, levels in form.COMMON_LEVELS.items():
        assert drawn.levels[name][1 : len(levels) + 1] == list(levels)
    assert all(name in form.COMMON_LEVELS for name, levels in drawn.levels.items() if len(levels) > 13)


def test_empty_form_sends_only_what_the_api_would_assume() -> None:
    empty = form.to_record(form.fill({}))
    assert empty == {c.name: c.assumed for c in form.STATED if c.assumed is not None}


def test_fraction_reaches_the_api_unrounded() -> None:
    values = form.fill(contract.EXAMPLE)
    assert form.to_record(values | {"time_in_hospital": "2.5"})["time_in_hospital"] == "2.5"


def test_marks_have_the_objections_repairs_and_names_of_diagnoses() -> None:
    values = form.fill({"age": "[70-80)"}) | {"diag_1": "v27", "diag_3": "428"}
    mended, _ = form.mend(values)
    marks = form.marks({"gender": "is required."}, values, mended)
    assert marks["problems"] == {"gender": "Is required."}
    assert marks["values"] == {"diag_1": "V27"}
    assert marks["meanings"] == {"diag_1": "", "diag_2": "", "diag_3": "Heart failure"}


@pytest.mark.parametrize("language", ["en", "es"])
def test_age_may_be_typed_in_years_or_as_the_form_states_it(language: str) -> None:
    column = contract.BY_NAME["age"]
    with speaking(language):
        for level in column.levels:
            assert form.mend({"age": describe_level(column, level)}) == ({"age": level}, [])
        years = re.sub(r"\d+–\d+", "72", describe_level(column, "[70-80)"))
        assert form.mend({"age": years})[0] == {"age": "[70-80)"}
        assert form.mend({"age": "old"}) == ({"age": "old"}, [])


def test_codes_and_years_are_repaired_visibly() -> None:
    values = form.fill({"diag_1": "v27", "diag_2": "25083", "diag_3": "E11.9"}) | {"age": "72"}
    mended, notes = form.mend(values)
    assert [mended[name] for name in ("diag_1", "diag_2", "diag_3", "age")] == ["V27", "250.83", "E11.9", "[70-80)"]
    assert notes == [
        "Age: “72” was read as 70–79 years.",
        "Primary diagnosis: “v27” was read as V27.",
        "Second diagnosis: “25083” was read as 250.83 · Diabetes mellitus.",
    ]
    assert form.mend(mended)[1] == []


def test_codes_of_icd10_are_repaired_and_the_page_says_what_they_were_read_as() -> None:
    values = form.fill({"icd": "10cm", "diag_1": "e1165", "diag_2": "I50.9", "diag_3": "E878"})
    mended, notes = form.mend(values)
    assert [mended[name] for name in contract.DIAGNOSES] == ["E11.65", "I50.9", "E87.8"]
    assert form.to_record(mended)["icd"] == "10cm"
    assert notes == [
        "Primary diagnosis: “e1165” was read as ICD-9-CM 250.8 · Diabetes with other specified manifestations.",
        "Second diagnosis: “I50.9” was read as ICD-9-CM 428 · Heart failure.",
        "Third diagnosis: “E878” was read as ICD-9-CM 276 · Disorders of fluid, electrolyte and acid-base balance.",
    ]
    marks = form.marks({}, values, mended)
    assert marks["values"] == {"diag_1": "E11.65", "diag_3": "E87.8"}
    assert marks["meanings"]["diag_2"] == "Read as ICD-9-CM 428 · Heart failure"


def test_code_that_icd10_lacks_is_neither_repaired_nor_given_a_meaning() -> None:
    values = form.fill({"icd": "10cm", "diag_1": "428", "diag_2": "U07.1"})
    assert form.mend(values) == (values, [])
    assert form.marks({}, values, values)["meanings"] == {"diag_1": "", "diag_2": "", "diag_3": ""}


def test_the_system_of_the_site_is_chosen_at_first_with_its_list_of_codes() -> None:
    drawn = form.draw("10cm")
    assert '<option value="10cm" selected>ICD-10-CM</option>' in drawn
    assert drawn.count('list="diagnoses-10cm"') == 3 and 'list="diagnoses-9cm"' not in drawn
