"""Encounters as columns and as packed rows."""

import struct

import pytest

from readmission import contract
from readmission.scorer.invented import invented_rows
from readmission.scorer.layout import Layout, LookupTable
from readmission.scorer.rows import RowEncoder, columns_of

AGE, DAYS = contract.FEATURE_NAMES.index("age"), contract.FEATURE_NAMES.index("time_in_hospital")
LAYOUT = Layout(
    tables=(
        LookupTable("age", contract.BY_NAME["age"].values(), tuple(map(float, range(10))), None),
        LookupTable("time_in_hospital", tuple(range(1, 15)), tuple(map(float, range(1, 15))), -1.0),
    ),
    flags=(),
    single=False,
)


def test_an_identifier_that_only_some_have_is_absent_elsewhere() -> None:
    assert columns_of([("a", 1), ("b",)]) == (("a", "b"), (1, None))


def test_a_row_holds_what_the_tables_say() -> None:
    encoder = RowEncoder(LAYOUT)
    rows = invented_rows(20, seed=3)
    for row in rows:
        age, days, *diagnoses = struct.unpack(f"={LAYOUT.width}d", encoder.row(row))
        assert len(diagnoses) == 6
        assert days == row[DAYS]
        assert (age == LAYOUT.tables[0].keys.index(row[AGE])) if row[AGE] in LAYOUT.tables[0].keys else age != age
    assert encoder.matrix(columns_of(rows)).tobytes() == b"".join(map(encoder.row, rows))


def test_a_level_that_validation_should_have_refused_is_an_error() -> None:
    row = list(invented_rows(1)[0])
    row[AGE] = "old"
    with pytest.raises(KeyError, match="old"):
        RowEncoder(LAYOUT).row(tuple(row))
