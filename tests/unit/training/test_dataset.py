"""The training data: each object is read once, and the rows stand by split."""

import io
from collections import Counter
from hashlib import sha256

import numpy as np
import pandas as pd
import pytest

from readmission import contract, models
from readmission.data import snapshots, synthetic
from readmission.data.snapshots import CleanBatch, Snapshot
from readmission.errors import UserError
from readmission.features import encoding, history
from readmission.settings import Settings
from readmission.training import dataset


class CountingStore:
    """Objects in memory that count how often each is read."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.reads: Counter[str] = Counter()

    def get(self, key: str) -> bytes:
        self.reads[key] += 1
        return self.objects[key]

    def exists(self, key: str) -> bool:
        return key in self.objects

    def put(self, key: str, data: bytes) -> None:
        self.objects[key] = data

    def delete(self, key: str) -> None:
        self.objects.pop(key, None)

    def keys(self, prefix: str) -> list[str]:
        return [key for key in self.objects if key.startswith(prefix)]


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    raw = pd.read_csv(io.BytesIO(synthetic.generate(600, seed=3)), dtype=str, keep_default_na=False, skiprows=1)
    frame = encoding.typed_frame(raw).sort_values("encounter_id", ignore_index=True)
    split = np.array(["train", "test", "validation", "train"])[frame["patient_nbr"].to_numpy() % 4]
    return frame.assign(split=split)


@pytest.fixture
def snapshot(rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> Snapshot:
    store = CountingStore()
    keys = []
    for batch_id, part in enumerate(np.array_split(np.arange(len(rows)), 3), 1):
        buffer = io.BytesIO()
        rows.iloc[part].to_parquet(buffer)
        store.put(str(batch_id), buffer.getvalue())
        keys.append((batch_id, str(batch_id), sha256(buffer.getvalue()).hexdigest()))
    snapshot = Snapshot(store, keys)
    monkeypatch.setattr(snapshots, "find", lambda settings, up_to=None: snapshot)
    monkeypatch.setattr(snapshots, "is_synthetic", lambda settings, snapshot: True)
    monkeypatch.setattr(snapshots, "code_systems", lambda settings, snapshot: ("9cm", "10cm"))
    return snapshot


@pytest.fixture
def settings() -> Settings:
    return Settings(_env_file=None)


def test_each_object_is_read_once(snapshot: Snapshot, settings: Settings) -> None:
    dataset.load(settings)
    assert isinstance(snapshot.store, CountingStore) and dict(snapshot.store.reads) == {"1": 1, "2": 1, "3": 1}


def test_the_code_systems_of_the_batches_are_known(snapshot: Snapshot, settings: Settings) -> None:
    assert dataset.load(settings).icd == ("9cm", "10cm")


def test_the_matrix_is_that_of_the_whole_frame(snapshot: Snapshot, settings: Settings, rows: pd.DataFrame) -> None:
    data = dataset.load(settings)
    whole = history.add(rows).iloc[data.places]
    np.testing.assert_array_equal(data.matrix, encoding.encode(whole, models.Encoder(models.SERVED).features))
    np.testing.assert_array_equal(data.y, encoding.target(whole))
    np.testing.assert_array_equal(data.patients, whole["patient_nbr"])
    for split, bounds in data.bounds.items():
        assert set(whole["split"].iloc[bounds]) == {split}
        assert data.counts.loc[split, "size"] == bounds.stop - bounds.start
    train = rows[rows["split"] == "train"]
    assert data.prevalence == pytest.approx((train[contract.TARGET] == "<30").mean())


def test_a_judge_gets_the_typed_frames_and_no_training_row(snapshot: Snapshot, settings: Settings) -> None:
    data = dataset.load(settings, held_out=True)
    assert set(data.bounds) == set(data.frames) == {"validation", "test"}
    assert len(data.matrix) == sum(map(len, data.frames.values()))
    encoded = encoding.encode(data.frames["test"], models.Encoder(models.SERVED).features)
    np.testing.assert_array_equal(data.matrix[data.rows("test")], encoded)


def test_an_object_that_was_changed_is_refused(snapshot: Snapshot, settings: Settings) -> None:
    store = snapshot.store
    assert isinstance(store, CountingStore)
    store.objects["2"] += b" "
    with pytest.raises(UserError, match="batch 2"):
        dataset.load(settings)


def test_a_scan_counts_what_a_split_holds(snapshot: Snapshot) -> None:
    batch = next(snapshot.read_batches())
    assert isinstance(batch, CleanBatch)
    seen, index = dataset.scan_batch(batch)
    counts = dataset.count_splits(index)
    assert len(seen) == len(index) == counts["size"].sum()
    assert counts["early"].sum() == (index["y"] == contract.EARLY).sum()
