"""Every row is answered by the fit of a fold that has not seen its patient, with the visits that a version knows."""

import io
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from readmission import contract, models
from readmission.data.snapshots import CleanBatch, schema_of
from readmission.evaluation import protocols
from readmission.features import encoding, history
from readmission.promotion import folds
from readmission.scorer.invented import invented_rows
from readmission.scorer.pipeline import to_frame
from readmission.settings import Settings
from readmission.training.dataset import Dataset
from readmission.training.refit import FOLD_SEED
from tests.unit.promotion.test_candidates import MODEL
from tests.unit.promotion.test_compiled import Server

ROWS = 900


@pytest.fixture
def frame() -> pd.DataFrame:
    """Give encounters whose outcome nothing but the history tells: who has been here before comes back early."""
    random = np.random.default_rng(5)
    patients = random.integers(1, 300, ROWS)
    earlier = pd.Series(patients).groupby(patients).cumcount()
    outcome = np.select([earlier > 1, earlier == 1], ["<30", ">30"], ">30")
    outcome[::7] = "NO"
    identifiers = {"patient_nbr": patients, "encounter_id": np.arange(ROWS) * 10**8}
    rows = to_frame(invented_rows(ROWS, seed=5))
    return rows.assign(**identifiers, number_inpatient=2.0, readmitted=outcome)


class Uploads(Server):
    """Artifacts of one run in a folder that takes more of them."""

    def log_artifacts(self, _: str, directory: str, name: str) -> None:
        shutil.copytree(directory, self.folder / name)


def snapshot(frame: pd.DataFrame) -> Dataset:
    """Return what `folds.score` reads of a dataset: two batches, one of which has an outcome that is not known."""
    batches = []
    for number, part in enumerate((frame[: ROWS // 3], frame[ROWS // 3 :]), 1):
        rows = part.assign(batch_id=number, split="train")
        rows.iloc[0, rows.columns.get_loc(contract.TARGET)] = None
        content = io.BytesIO()
        pa.parquet.write_table(pa.Table.from_pandas(rows[schema_names()], schema_of(schema_names())), content)
        batches.append(CleanBatch(content.getvalue()))
    content_of: Any = SimpleNamespace(snapshot=SimpleNamespace(read_batches=lambda: iter(batches)))
    return cast(Dataset, content_of)


def schema_names() -> list[str]:
    return [*contract.COLUMN_NAMES, "batch_id", "split"]


def test_each_row_is_scored_by_the_fit_without_its_patient(frame: pd.DataFrame, tmp_path: Path) -> None:
    with_history, patients = history.add(frame), frame["patient_nbr"].to_numpy()
    pipelines, expected = [], np.empty((ROWS, 3))
    for train, test in protocols.folds(patients, FOLD_SEED):
        pipeline = models.build("decision_tree", {"min_samples_leaf": 5})
        pipeline.fit(with_history.iloc[train], encoding.target(frame.iloc[train]))
        expected[test] = pipeline.predict_proba(with_history.iloc[test])
        pipelines.append(pipeline)
    (tmp_path / "run").mkdir()
    server: Any = Uploads(tmp_path / "run")
    folds.keep(Settings(), server, MODEL, pipelines)
    assert not list((tmp_path / "run").glob("**/visits.bin"))

    (tmp_path / "to").mkdir()
    scored = folds.score(Settings(), server, "r", snapshot(frame), history.pack(frame), tmp_path / "to")
    assert scored is not None
    stated = np.delete(np.arange(ROWS), [0, ROWS // 3])
    assert np.array_equal(scored.patients, patients[stated])
    assert np.array_equal(scored.y, encoding.target(frame.iloc[stated]))
    assert np.abs(scored.probabilities - expected[stated]).max() <= 1e-6
    # Without the visits, every visit is a first one.
    (tmp_path / "first").mkdir()
    first = folds.score(Settings(), server, "r", snapshot(frame), b"", tmp_path / "first")
    assert first is not None and np.abs(first.probabilities - expected[stated]).max() > 0.01


def test_a_run_without_such_fits_or_of_another_contract_is_not_scored(
    frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").mkdir()
    server: Any = Uploads(tmp_path / "run")
    assert folds.score(Settings(), server, "r", snapshot(frame), b"", tmp_path) is None
    pipeline = models.build("decision_tree").fit(history.add(frame), encoding.target(frame))
    folds.keep(Settings(), server, MODEL, [pipeline] * protocols.FOLDS)
    monkeypatch.setattr(contract, "CONTRACT_VERSION", 99)
    (tmp_path / "to").mkdir()
    assert folds.score(Settings(), server, "r", snapshot(frame), b"", tmp_path / "to") is None
