"""Deliveries without a clean row: they are counted, and change nothing that is trained on."""

import contextlib
import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from readmission.data import snapshots
from readmission.data.snapshots import Snapshot
from readmission.errors import UserError
from readmission.settings import Settings
from readmission.steps import process
from readmission.stores import objects, postgres
from readmission.training import dataset
from tests.integration.data.tools import as_csv, load, query, rows_of


def refuse_outcomes(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [row | {"encounter_id": f"9{row['encounter_id']}", "readmitted": "unknown"} for row in rows]


def die(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [row | {"encounter_id": f"9{row['encounter_id']}", "discharge_disposition_id": "11"} for row in rows]


@pytest.mark.parametrize(
    ("change", "clean_batches"),
    [(lambda rows: rows[::-1], 1), (refuse_outcomes, 1), (die, 2)],
    ids=["again", "refused", "dead"],
)
def test_a_delivery_without_a_clean_row_changes_no_training_data(
    database: Settings, sample: Path, change: Callable[[list[dict[str, str]]], list[dict[str, str]]], clean_batches: int
) -> None:
    rows = rows_of(sample, 1000)
    load(database, as_csv(rows))
    process.run(database)
    before = dataset.load(database)
    with pytest.raises(UserError, match="100%") if change is refuse_outcomes else contextlib.nullcontext():
        load(database, as_csv(change(rows)), "next.csv")
    process.run(database)
    after = dataset.load(database)
    assert query(database, "SELECT count(*) FROM clean.batches") == [(clean_batches,)]
    assert (after.sha256, after.batches) == (before.sha256, before.batches)
    np.testing.assert_array_equal(after.matrix, before.matrix)
    assert process.run(database) == []
    snapshots.find(database).frame()


def test_an_empty_batch_of_an_older_version_is_read(database: Settings, sample: Path) -> None:
    rows = rows_of(sample, 1000)
    load(database, as_csv(rows))
    process.run(database)
    before = dataset.load(database)
    frame = snapshots.find(database).frame()
    buffer = io.BytesIO()
    frame.iloc[:0].astype({"split": float}).to_parquet(buffer, index=False)
    data = buffer.getvalue()
    digest = hashlib.sha256(data).hexdigest()
    objects.objects(database).put("empty.parquet", data)
    load(database, as_csv(rows[::-1]), "next.csv")
    with postgres.transaction(database, "process") as cursor:
        cursor.execute("INSERT INTO clean.batches VALUES (2, 0, 0, 'empty.parquet', %s)", (digest,))
    assert dataset.load(database).sha256 == before.sha256
    [full] = snapshots.find(database).keys
    both = Snapshot(objects.objects(database), [full, (2, "empty.parquet", digest)])
    assert len(both.frame()) == len(frame)
    assert sum(table.num_rows for table in both.tables(splits=["train"])) == (frame["split"] == "train").sum()
