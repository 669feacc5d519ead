"""What serves was fitted again on every patient; the model that was judged stays beside it and is the one compared."""

from pathlib import Path

import mlflow
import msgspec
import numpy as np
import pytest
from mlflow.tracking import MlflowClient

from readmission import scorer
from readmission.evaluation.refits import RefitRecord
from readmission.promotion.champion import find_champion
from readmission.registry import tracking
from readmission.scorer.manifest import read_manifest
from readmission.scorer.pipeline import to_values
from readmission.scorer.rows import VISITS
from readmission.settings import Settings
from readmission.steps import ingest, judge, process, promote, report, score, train
from readmission.stores import postgres
from readmission.training import dataset


def test_the_fit_on_every_patient_serves_and_the_judged_model_is_compared(
    system: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = train.run(system, families="lightgbm")["lightgbm"]
    judge.run(system)
    before = mlflow.artifacts.load_text(f"runs:/{run_id}/refit.json")
    version = promote.run(system)
    # The fit that a person saw at the judgement is the one that serves.
    assert mlflow.artifacts.load_text(f"runs:/{run_id}/refit.json") == before
    record = msgspec.json.decode(before.encode(), type=RefitRecord)
    data = dataset.load(system)
    assert (record.encounters, record.patients) == (len(data.y), len(set(data.patients.tolist())))
    assert record.data_sha256 == data.sha256

    client = MlflowClient(system.mlflow.tracking_uri)
    champion = client.get_model_version(system.mlflow.model_name, version)
    assert champion.source == record.uri != tracking.model_uri(client, run_id)
    served, judged = (tracking.load_pipeline(uri) for uri in (record.uri, tracking.model_uri(client, run_id)))
    held_out = dataset.load(system, held_out=True)
    rows = held_out.frames["validation"]
    for name, pipeline in (("serving", served), ("judged", judged)):
        folder = Path(client.download_artifacts(run_id, name, str(tmp_path)))
        # Only what serves has patients' visits.
        assert (folder / VISITS).exists() is (name == "serving")
        if name == "serving":
            answers = scorer.load(folder, system.patient_keys).score_many(scorer.columns_of(to_values(rows)))
            assert np.abs(answers - pipeline.predict_proba(rows)).max() <= 1e-6
            assert read_manifest(folder).points == record.points and read_manifest(folder).bands == record.bands
    compared = find_champion(client, system, held_out, tmp_path)
    assert compared is not None and compared.validation is not None
    assert np.abs(compared.validation.probabilities - judged.predict_proba(rows)).max() <= 1e-6
    assert np.abs(served.predict_proba(rows) - judged.predict_proba(rows)).max() > 0.001
    card = mlflow.artifacts.load_text(f"runs:/{run_id}/model_card.md")
    assert f"all {record.encounters:,} encounters of {record.patients:,} patients" in card
    assert_figures_are_of_whom_they_say(system, judged, served, capsys)


def assert_figures_are_of_whom_they_say(
    system: Settings, judged: object, served: object, capsys: pytest.CaptureFixture[str]
) -> None:
    """Check that the judged model scores what the champion was fitted on, and the champion what came later."""
    report.run(system, resamples=50)
    assert "Figures of the judged model" in capsys.readouterr().out
    ingest.run(system, batch=2)
    process.run(system)
    score.run(system)
    with postgres.transaction(system, "monitor") as cursor:
        cursor.execute("SELECT encounter_id, p_early FROM serving.scores")
        scores = dict(cursor.fetchall())
    frame = next(iter(dataset.load(system, held_out=True).frames.values()))
    for batch, pipeline in ((1, judged), (2, served)):
        rows = frame[frame["batch_id"] == batch]
        stored = np.array([scores[encounter] for encounter in rows["encounter_id"]])
        assert len(rows) > 20 and np.abs(stored - pipeline.predict_proba(rows)[:, 2]).max() <= 1e-6  # type: ignore[attr-defined]


def test_a_hospital_may_serve_exactly_what_was_judged(system: Settings) -> None:
    config = system.replace(refit=False)
    run_id = train.run(config, families="decision_tree")["decision_tree"]
    promote.run(config)
    client = MlflowClient(config.mlflow.tracking_uri)
    champion = tracking.champion(client, config)
    assert champion is not None and champion.source == tracking.model_uri(client, run_id)
    assert not {"judged", "refit.json"} & {item.path for item in client.list_artifacts(run_id)}
    assert "the figures below are its own" in mlflow.artifacts.load_text(f"runs:/{run_id}/model_card.md")
