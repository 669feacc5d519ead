"""Snapshots are read batch by batch, and only if each object is what was recorded."""

import hashlib
import io
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from readmission.data.snapshots import Snapshot
from readmission.errors import UserError
from readmission.stores.objects import FolderStore


def stored(store: FolderStore, key: str, frame: pd.DataFrame) -> str:
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pa.Table.from_pandas(frame, preserve_index=False), buffer)
    store.put(key, buffer.getvalue())
    return hashlib.sha256(buffer.getvalue()).hexdigest()


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    store = FolderStore(tmp_path)
    first = pd.DataFrame({"encounter_id": [1, 2], "split": ["train", "test"]})
    second = pd.DataFrame({"encounter_id": [3], "split": ["train"], "blood_pressure": [120.0]})
    return Snapshot(store, [(1, "a", stored(store, "a", first)), (2, "b", stored(store, "b", second))])


def test_a_column_of_a_newer_contract_is_missing_in_older_batches(snapshot: Snapshot) -> None:
    frame = snapshot.frame()
    assert frame["encounter_id"].tolist() == [1, 2, 3]
    assert frame["blood_pressure"].isna().tolist() == [True, True, False]


def test_columns_and_splits_can_be_chosen(snapshot: Snapshot) -> None:
    tables = list(snapshot.tables(["encounter_id"], splits=["train"]))
    assert [table["encounter_id"].to_pylist() for table in tables] == [[1], [3]]


def test_the_data_hash_is_that_of_the_batches_in_order(snapshot: Snapshot) -> None:
    digests = "".join(digest for _, _, digest in snapshot.keys)
    assert snapshot.sha256 == hashlib.sha256(digests.encode()).hexdigest()
    assert snapshot.batches == [1, 2]


def test_an_object_that_was_changed_is_refused(snapshot: Snapshot, tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"something else")
    with pytest.raises(UserError, match="snapshot of batch 2"):
        snapshot.frame()
