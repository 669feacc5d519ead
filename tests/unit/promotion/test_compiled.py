"""The judged model is kept without patients' visits, and answers with those of the model that serves."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from readmission import models, scorer
from readmission.features import encoding, history
from readmission.promotion import compiled
from readmission.promotion.compiled import JUDGED, SERVING
from readmission.scorer.compiler import compile_pipeline
from readmission.scorer.invented import invented_rows
from readmission.scorer.manifest import read_manifest
from readmission.scorer.pipeline import to_frame, to_values
from readmission.scorer.rows import VISITS


class Server:
    """Artifacts of one run in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def list_artifacts(self, _: str) -> list[Any]:
        return [SimpleNamespace(path=path.name) for path in self.folder.iterdir()]

    def download_artifacts(self, _: str, name: str, where: str) -> str:
        return str(shutil.copytree(self.folder / name, Path(where) / name))


@pytest.fixture
def frame() -> pd.DataFrame:
    rows = to_frame(invented_rows(600, seed=5))
    patients = np.random.default_rng(5).integers(1, 200, 600)
    earlier = pd.Series(patients).groupby(patients).cumcount()
    # Who has been here before comes back early, so that a model leans on the history.
    outcome = np.select([earlier > 1, earlier == 1], ["<30", ">30"], ">30")
    outcome[::7] = "NO"
    identifiers = {"patient_nbr": patients, "encounter_id": np.arange(600) * 10**8}
    return rows.assign(**identifiers, number_inpatient=2.0, readmitted=outcome)


@pytest.fixture
def run(tmp_path: Path, frame: pd.DataFrame) -> Path:
    folder = tmp_path / "run"
    visits = history.pack(frame)
    with_history = history.add(frame)
    for name, seed in ((SERVING, 1), (JUDGED, 2)):
        pipeline = models.build("decision_tree", {"min_samples_leaf": 5, "max_features": 0.3}, seed=seed)
        pipeline.fit(with_history, encoding.target(frame))
        compile_pipeline(
            pipeline,
            folder / name,
            family="decision_tree",
            sample=with_history,
            metrics={},
            synthetic=True,
            visits=visits,
        )
    return folder


def test_the_judged_model_has_no_visits_and_gets_them_back(run: Path, tmp_path: Path, frame: pd.DataFrame) -> None:
    rows = scorer.columns_of(to_values(frame))
    before = scorer.load(run / JUDGED, ()).score_many(rows)
    compiled.drop_visits(run / JUDGED)
    assert not (run / JUDGED / VISITS).exists() and read_manifest(run / JUDGED).history == {}
    assert np.abs(scorer.load(run / JUDGED, ()).score_many(rows) - before).max() > 0.01

    fetched = compiled.fetch_judged(Server(run), "r", tmp_path / "to")  # type: ignore[arg-type]
    after = scorer.load(fetched, ()).score_many(rows)
    assert np.array_equal(after, before)
    assert np.abs(scorer.load(run / SERVING, ()).score_many(rows) - before).max() > 0.01


def test_a_version_that_serves_as_it_was_judged_is_compared_itself(run: Path, tmp_path: Path) -> None:
    shutil.rmtree(run / JUDGED)
    assert compiled.fetch_judged(Server(run), "r", tmp_path / "to") == tmp_path / "to" / SERVING  # type: ignore[arg-type]
