"""What a request may hold: the fast way and the explaining way agree, whatever comes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readmission import contract
from serving.predict import csv_rows, encounter
from serving.predict.encounter import Aliased, Invalid

EXAMPLE = dict(contract.EXAMPLE)


def stated(values: encounter.Values) -> dict[str, str | int]:
    """Return the values that are not absent, by column."""
    pairs = zip([*contract.FEATURE_NAMES, *contract.IDENTIFIERS], values, strict=True)
    return {name: value for name, value in pairs if value is not None}


def problems(record: object) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as caught:
        encounter.decode(record if isinstance(record, bytes) else json.dumps(record).encode())
    return [(p.field, p.problem) for p in caught.value.problems]


def test_the_example_decodes_to_its_values() -> None:
    values = encounter.decode(json.dumps(EXAMPLE).encode())
    assert stated(values) == EXAMPLE
    assert encounter.missing(values) == [n for n in contract.FEATURE_NAMES if n not in EXAMPLE]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"age": None}, ("age", "missing")),
        ({"age": 70}, ("age", "type")),
        ({"age": "[70-81)"}, ("age", "level")),
        ({"time_in_hospital": 15}, ("time_in_hospital", "range")),
        ({"time_in_hospital": "3"}, ("time_in_hospital", "type")),
        ({"time_in_hospital": True}, ("time_in_hospital", "type")),
        ({"number_inpatient": -1}, ("number_inpatient", "range")),
        ({"admission_type_id": 9}, ("admission_type_id", "level")),
        ({"diag_1": "cancer"}, ("diag_1", "pattern")),
        ({"diag_1": "428\n"}, ("diag_1", "pattern")),
        ({"diag_1": "٤٢٨"}, ("diag_1", "pattern")),
        ({"diag_1": "E119"}, ("diag_1", "pattern")),
        ({"diag_1": "I50.9"}, ("diag_1", "pattern")),
        ({"diag_1": 428}, ("diag_1", "type")),
        ({"icd": "10"}, ("icd", "level")),
        ({"icd": 10, "diag_1": "I50.9"}, ("icd", "type")),
        ({"insulin": "?"}, ("insulin", "level")),
        ({"patient_nbr": 0}, ("patient_nbr", "range")),
        ({"readmitted": "NO"}, ("readmitted", "unknown")),
        ({"metforminn": "No"}, ("metforminn", "unknown")),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, object], expected: tuple[str, str]) -> None:
    assert problems({**EXAMPLE, **change}) == [expected]


IN_ICD10: dict[str, object] = {**EXAMPLE, "icd": "10cm", "diag_1": "I50.9", "diag_2": "E1165", "diag_3": None}


@pytest.mark.parametrize(
    ("code", "problem"),
    [("I50", "unlisted"), ("U07.1", "unmapped"), ("K52.89", "ambiguous"), ("428", "pattern"), (428, "type")],
)
def test_a_code_of_the_declared_system_is_translated_or_refused_by_name(code: object, problem: str) -> None:
    values = encounter.decode(json.dumps(IN_ICD10).encode())
    assert stated(values) == {
        name: value for name, value in {**EXAMPLE, "diag_1": "428", "diag_2": "250.8"}.items() if name != "diag_3"
    }
    assert problems({**IN_ICD10, "diag_3": code}) == [("diag_3", problem)]
    text = {name: str(value) for name, value in {**IN_ICD10, "diag_3": code}.items()}
    with pytest.raises(Invalid) as caught:
        csv_rows.read(text)
    assert [p.problem for p in caught.value.problems] == [problem if problem != "type" else "pattern"]


def test_the_declaration_tells_e878_of_both_systems_apart() -> None:
    body = {**EXAMPLE, "diag_1": "E878", "diag_2": None, "diag_3": "?"}
    codes = [encounter.decode(json.dumps({**body, "icd": system}).encode()) for system in (None, "9cm", "10cm")]
    first = contract.FEATURE_NAMES.index("diag_1")
    assert [values[first] for values in codes] == ["E878", "E878", "276"]
    assert len({len(values) for values in codes}) == 1


def test_every_problem_is_listed_at_once() -> None:
    listed = problems({"age": "old", "weight": 80, "x": 1})
    required = [c.name for c in contract.REQUEST_COLUMNS if c.required and c.name != "age"]
    assert listed == [("age", "level"), ("weight", "type"), ("x", "unknown"), *((n, "missing") for n in required)]


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{", b"\xff\xfe", b"[" * 100_000, b'{"age":' * 50_000, b'{"age": [NaN]}']
)
def test_a_body_that_is_no_object_is_one_problem(body: bytes) -> None:
    assert len(problems(body)) == 1


def test_a_column_with_a_wrong_value_before_its_right_one_is_told_as_named_twice() -> None:
    body = b'{"age": "old", ' + json.dumps(EXAMPLE).encode()[1:]
    with pytest.raises(Invalid) as caught:
        encounter.decode(body)
    assert [p.allowed for p in caught.value.problems] == ["a JSON object that names each column once"]


def test_unknown_may_be_said_in_three_ways() -> None:
    absent = {k: v for k, v in EXAMPLE.items() if k != "race"}
    rows = [absent, {**EXAMPLE, "race": None}, {**EXAMPLE, "race": "?"}]
    decoded = [encounter.decode(json.dumps(row).encode()) for row in rows]
    assert [row[0] for row in decoded] == [None, None, "?"]


def test_errors_never_repeat_a_value() -> None:
    with pytest.raises(Invalid) as caught:
        encounter.decode(json.dumps({**EXAMPLE, "age": "SECRET", "diag_1": "SECRET"}).encode())
    assert "SECRET" not in repr(caught.value.problems)


def test_named_aliases_are_read_and_noted() -> None:
    own = encounter.decode(json.dumps(EXAMPLE | {"change": "Ch", "diabetesMed": "Yes"}).encode())
    assert not isinstance(own, Aliased)
    values = encounter.decode(json.dumps(EXAMPLE | {"change": "yes", "diabetesMed": "yes"}).encode())
    assert isinstance(values, Aliased) and tuple(values) == own
    assert values.notes == ["change was read as 'Ch'", "diabetesMed was read as 'Yes'"]
    assert encounter.decode(values.body) == own


def test_only_named_aliases_are_read() -> None:
    assert problems({**EXAMPLE, "change": "YES"}) == [("change", "level")]
    assert problems({**EXAMPLE, "insulin": "yes", "diabetesMed": "yes"}) == [("insulin", "level")]
    assert problems({**EXAMPLE, "diabetesMed": True}) == [("diabetesMed", "type")]


def test_an_error_names_the_nearest_allowed_value() -> None:
    with pytest.raises(Invalid) as caught:
        encounter.decode(json.dumps({**EXAMPLE, "age": 72, "metforminn": "No", "gender": "?"}).encode())
    nearest = {problem.field: problem.nearest for problem in caught.value.problems}
    assert nearest == {"age": "[70-80)", "metforminn": "metformin", "gender": None}


def test_an_error_names_the_code_of_the_declared_system_that_was_meant() -> None:
    with pytest.raises(Invalid) as caught:
        encounter.decode(
            json.dumps({**EXAMPLE, "icd": "10cm", "diag_1": "i50.9", "diag_2": "428", "diag_3": "I10"}).encode()
        )
    assert {p.field: p.nearest for p in caught.value.problems} == {"diag_1": "I50.9", "diag_2": None}


def test_codes_are_remembered_only_when_right_and_only_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encounter, "_codes", {None})
    monkeypatch.setattr(encounter, "_CODES", 50)
    for number in range(100, 400):
        for _ in range(2):  # the second time from memory
            encounter.decode(json.dumps({**EXAMPLE, "diag_1": str(number), "diag_3": None}).encode())
            assert str(number) in encounter._codes
            with pytest.raises(Invalid) as caught:
                encounter.decode(json.dumps({**EXAMPLE, "diag_1": str(number), "diag_2": f"{number}."}).encode())
            assert [(p.field, p.problem) for p in caught.value.problems] == [("diag_2", "pattern")]
        assert len(encounter._codes) <= 53 and f"{number}." not in encounter._codes


def level(column: contract.Column) -> st.SearchStrategy[object]:
    if column.levels:
        return st.sampled_from(column.values())
    if column.pattern:
        return st.from_regex(rf"\A{column.pattern}\Z")
    return st.integers(column.minimum, column.maximum)


VALID = st.fixed_dictionaries(
    {c.name: level(c) for c in contract.REQUEST_COLUMNS if c.required},
    optional={c.name: st.none() | level(c) for c in contract.REQUEST_COLUMNS if not c.required},
)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)  # JSON knows no others
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | NUMBERS | st.text() | st.sampled_from(["?", "No", ">7", "V27"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)


@given(VALID)
def test_whatever_the_contract_allows_is_taken(record: dict[str, object]) -> None:
    values = encounter.decode(json.dumps(record).encode())
    assert stated(values) == {k: v for k, v in record.items() if v is not None}
    text = {name: "?" if value is None else str(value) for name, value in record.items()}
    assert csv_rows.read(text) == values
    assert csv_rows.as_request(text) == {k: v for k, v in record.items() if v not in (None, "?")}


@given(VALID, st.dictionaries(st.sampled_from([*contract.COLUMN_NAMES, "x"]), JSON, min_size=1, max_size=3))
def test_both_ways_agree_on_anything(record: dict[str, object], changes: dict[str, object]) -> None:
    body = json.dumps({**record, **changes}).encode()
    listed = [p for p in encounter.problems(body) if p.problem != "json" or p.field]
    try:
        encounter.decode(body)
    except Invalid:
        assert listed
        assert {p.field for p in listed} <= set(changes)
    else:
        assert not listed


def test_an_undeclared_icd10_code_is_told_how_to_declare_itself() -> None:
    with pytest.raises(Invalid) as caught:
        encounter.decode(json.dumps(dict(contract.EXAMPLE) | {"diag_1": "I50.9", "diag_2": "nonsense"}).encode())
    allowed = {problem.field: problem.allowed for problem in caught.value.problems}
    assert "an ICD-10-CM code needs 'icd': '10cm'" in allowed["diag_1"]
    assert "10cm" not in allowed["diag_2"]
