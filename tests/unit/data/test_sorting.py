"""Rows of a batch by what becomes of them; every row is one of four."""

from datetime import UTC, datetime

import pandas as pd

from readmission import contract
from readmission.data import sources, synthetic
from readmission.data.sorting import content_hashes, sort_rows, version_of
from readmission.data.sources import RawBatch

NOW = datetime(2026, 11, 27, tzinfo=UTC)
BATCH = sources.FileSource("sample.csv", synthetic.generate(20, seed=3), 20).batch(1)


def batch(frame: pd.DataFrame) -> RawBatch:
    return RawBatch(1, frame.reset_index(drop=True).rename(index=lambda label: label + 1), [])


def test_a_first_delivery_is_accepted_and_the_same_again_is_a_duplicate() -> None:
    first = sort_rows(BATCH, {}, NOW)
    assert (len(first.accepted), len(first.corrections), first.refused, first.duplicate) == (20, 0, {}, 0)
    assert first.known_through is None
    stored = {row["encounter_id"]: [version_of(row, NOW)] for row in first.accepted.to_dict("records")}
    again = sort_rows(BATCH, stored, NOW)
    assert (len(again.accepted), len(again.corrections), again.refused, again.duplicate) == (0, 0, {}, 20)


def test_two_contents_of_one_moment_contradict_and_two_moments_do_not() -> None:
    row = BATCH.frame.iloc[:1]
    other = row.assign(number_inpatient="8")
    one_moment = sort_rows(batch(pd.concat([row, other])), {}, NOW)
    assert (len(one_moment.accepted), list(one_moment.refused)) == (1, [2])
    later = other.assign(known_at="2026-11-01")
    two_moments = sort_rows(batch(pd.concat([row.assign(known_at="2026-10-01"), later])), {}, NOW)
    assert (len(two_moments.accepted), len(two_moments.corrections)) == (1, 1)
    assert two_moments.known_through == datetime(2026, 11, 1, tzinfo=UTC)


def test_the_hash_is_that_of_before_where_there_is_no_discharge_date() -> None:
    plain = BATCH.frame[list(contract.COLUMN_NAMES)]
    assert content_hashes(BATCH.frame) == content_hashes(plain)
    assert content_hashes(BATCH.frame.assign(discharged_at="2008-03-01"))[0] != content_hashes(plain)[0]
