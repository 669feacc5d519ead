"""Outcomes that come late, are corrected, and are delivered again: every version is kept, mature ones are learned."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from readmission import contract
from readmission.data import snapshots
from readmission.features import history
from readmission.settings import Settings
from readmission.steps import process
from readmission.training import dataset
from tests.integration.data.tools import as_csv, ledger, load, query, rows_of

Row = dict[str, str]
#: Day of discharge of the first rows.
DAY = date(2008, 3, 1)


def at(days: int) -> str:
    return (DAY + timedelta(days=days)).isoformat()


def live(rows: list[Row], known_on: int, outcome: str | None = None, discharged: int = 0) -> list[Row]:
    """Return rows with a discharge on a day, as they were known on another."""
    times = {"discharged_at": at(discharged), "known_at": at(known_on)}
    return [row | times | ({"readmitted": outcome} if outcome else {}) for row in rows]


@pytest.fixture
def rows(sample: Path) -> list[Row]:
    """Encounters of patients who live."""
    alive = [
        row
        for row in rows_of(sample, 1500)
        if int(row["discharge_disposition_id"]) not in contract.EXCLUDED_DISPOSITIONS
    ]
    return alive[:1000]


def outcomes(config: Settings) -> dict[int, str | None]:
    return dict(query(config, "SELECT encounter_id, readmitted FROM clean.encounters"))


@pytest.mark.parametrize("token", ["", "?"])
def test_an_outcome_may_be_unknown_and_is_learned_when_it_is_known(
    database: Settings, rows: list[Row], token: str
) -> None:
    load(database, as_csv([row | {"readmitted": token} for row in rows]))
    assert process.run(database) == [1]
    assert set(outcomes(database).values()) == {None}
    assert dataset.load(database).counts["size"].sum() == 0
    load(database, as_csv(rows), "outcomes.csv")
    assert ledger(database)[1] == (1000, 1000, 0, 0)
    assert query(database, "SELECT corrected FROM raw.batches ORDER BY batch_id") == [(0,), (1000,)]
    assert process.run(database) == [1]
    assert process.run(database) == []
    assert outcomes(database) == {int(row["encounter_id"]): row["readmitted"] for row in rows}
    assert dataset.load(database).counts["size"].sum() == 1000


def test_the_snapshot_without_times_is_that_of_before(database: Settings, rows: list[Row]) -> None:
    """A correction gives the batch the snapshot that it would have had at once, and the earlier one is kept."""
    load(database, as_csv(rows))
    process.run(database)
    [(first, digest)] = query(database, "SELECT snapshot, snapshot_sha256 FROM clean.snapshots")
    before = dataset.load(database).sha256
    load(database, as_csv([row | {"number_inpatient": "7"} for row in rows[:3]]), "corrections.csv")
    assert process.run(database) == [1]
    assert dataset.load(database).sha256 != before
    assert query(database, "SELECT batch_id, revision, rows FROM clean.snapshots") == [(1, 1, 1000)]
    assert query(database, "SELECT snapshot, snapshot_sha256 FROM clean.batches") == [(first, digest)]
    load(database, as_csv(rows[:3]), "again.csv")  # an old file takes nothing back
    assert ledger(database)[2] == (3, 0, 0, 3)
    assert process.run(database) == []
    split = "SELECT 1 FROM clean.encounters GROUP BY patient_nbr HAVING count(DISTINCT split) > 1"
    assert query(database, split) == []


def test_early_outcomes_are_held_back_until_the_horizon_is_over(database: Settings, rows: list[Row]) -> None:
    """On day 10 some have come back, and "NO" of the others is no news yet; on day 40 both count."""
    load(database, as_csv(live(rows[:600], 10, "NO") + live(rows[600:], 10, "<30")))
    process.run(database)
    assert set(outcomes(database).values()) == {None}
    load(database, as_csv(live(rows[:599], 40, "NO")), "day-40.csv")
    assert ledger(database)[1] == (599, 599, 0, 0)  # the same to the letter, but known later: it confirms
    assert process.run(database) == [1]
    labels = outcomes(database)
    assert [labels[int(row["encounter_id"])] for row in rows] == ["NO"] * 599 + [None] + ["<30"] * 400
    assert query(database, "SELECT immature FROM clean.snapshots") == [(1,)]


def test_the_version_known_last_counts_whenever_it_is_delivered(database: Settings, rows: list[Row]) -> None:
    load(database, as_csv(live(rows, 0, "?")))
    load(database, as_csv(live(rows[:10], 45, "<30")), "correction.csv")
    load(database, as_csv(live(rows[:10], 40, "NO")), "late.csv")
    assert process.run(database) == [1]
    assert query(database, "SELECT count(*) FROM raw.corrections") == [(20,)]
    assert [outcomes(database)[int(row["encounter_id"])] for row in rows[:10]] == ["<30"] * 10
    load(database, as_csv(live(rows[:10], 60, "NO")), "back.csv")
    process.run(database)
    assert [outcomes(database)[int(row["encounter_id"])] for row in rows[:10]] == ["NO"] * 10


def test_rows_that_contradict_their_encounter_are_refused(database: Settings, rows: list[Row]) -> None:
    load(database.replace(quarantine_limit=1), as_csv(rows))
    changed = [rows[0] | {"patient_nbr": "4711"}, rows[1] | {"readmitted": "?"}, rows[1] | {"age": "[0-10)"}]
    load(database.replace(quarantine_limit=1), as_csv(changed), "changed.csv")
    assert ledger(database)[1] == (3, 1, 2, 0)
    reasons = query(database, "SELECT row_number, reasons->0->>'field' FROM raw.quarantine ORDER BY 1")
    assert reasons == [(1, "patient_nbr"), (3, "encounter_id")]
    future = [row | {"discharged_at": "2999-01-01", "known_at": "?"} for row in rows[5:8]]
    earlier = [row | {"discharged_at": at(9), "known_at": at(1)} for row in rows[8:9]]
    load(database.replace(quarantine_limit=1), as_csv([*future, *earlier]), "times.csv")
    assert ledger(database)[2] == (4, 0, 4, 0)


def test_history_is_what_had_arrived_when_the_encounter_was_predicted(database: Settings, rows: list[Row]) -> None:
    """The first stay is labelled NO by now and known on day 1; the second one, of day 3, is delivered on day 20."""
    stays = [row | {"patient_nbr": "77", "number_inpatient": "0"} for row in rows[:4]]
    load(database, as_csv(live(rows[10:], 0) + live(stays[:1], 1, "NO")))
    load(database, as_csv(live(stays[1:2], 20, "?", 3) + live(stays[2:3], 10, "?", 10)), "next.csv")
    load(database, as_csv(live(stays[3:], 70, "?", 60) + live(rows[10:] + stays[:1], 70)), "last.csv")
    process.run(database)
    frame = history.add(snapshots.find(database).frame())
    of = frame[frame["patient_nbr"] == 77].sort_values("encounter_id")
    np.testing.assert_array_equal(of["history_count"], [0, 1, 1, 3])
