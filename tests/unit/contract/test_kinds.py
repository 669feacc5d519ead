"""Every kind of column parses, lists and draws values that it accepts itself."""

import re
from random import Random

import pytest
from hypothesis import given, strategies

from readmission import contract
from readmission.contract.kinds import Coded, Icd9, Identifier, Integer, Kind, Level

KINDS: tuple[Kind, ...] = (
    Level(("No", "Yes")),
    Coded({"1": "one", "7": "seven"}),
    Integer(2, 5),
    Identifier(),
    Icd9(),
)
NAMES = [type(kind).__name__ for kind in KINDS]


@given(strategies.sampled_from(contract.COLUMNS), strategies.integers(0, 2**32))
def test_a_drawn_value_is_allowed_and_parses_back_from_its_text(column: contract.Column, seed: int) -> None:
    value = column.draw(Random(seed))
    assert column.problem(str(value)) is None
    assert column.parse(str(value)) == value
    assert isinstance(value, int) == column.is_number


@pytest.mark.parametrize("column", contract.COLUMNS, ids=lambda column: column.name)
def test_every_listed_value_is_allowed(column: contract.Column) -> None:
    assert all(column.problem(str(value)) is None for value in column.values())
    assert bool(column.values()) == bool(column.levels or column.name in contract.NUMERIC)


@pytest.mark.parametrize(
    ("kind", "values"),
    list(zip(KINDS, [("No", "Yes"), (1, 7), (2, 3, 4, 5), (), ()], strict=True)),
    ids=NAMES,
)
def test_the_values_of_a_kind(kind: Kind, values: tuple[object, ...]) -> None:
    assert kind.values() == values


@pytest.mark.parametrize(("kind", "texts"), list(zip(KINDS, ["yes", "2", "6", "0", "4280"], strict=True)), ids=NAMES)
def test_a_value_of_the_right_type_that_is_not_allowed_is_the_kind_s_violation(kind: Kind, texts: str) -> None:
    assert kind.problem(texts) == kind.violation


def test_unknown_is_no_value() -> None:
    race = contract.BY_NAME["race"]
    assert race.parse(contract.MISSING_TOKEN) is None
    assert race.parse("") is None
    assert contract.MISSING_TOKEN not in race.values()


def test_only_codes_have_a_pattern() -> None:
    assert {column.name for column in contract.COLUMNS if column.pattern} == set(contract.DIAGNOSES)
    assert all(re.fullmatch(contract.BY_NAME["diag_1"].pattern, text) for text in ("250.83", "V27", "E878"))
