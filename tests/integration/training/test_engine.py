"""Process and train on real Dask workers: what a local run gives."""

import importlib.util
import os
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow.tracking import MlflowClient
from pydantic import SecretStr

from readmission import engine, models
from readmission.errors import UserError
from readmission.evaluation import metrics
from readmission.features import encoding
from readmission.privacy import erase
from readmission.registry import tracking
from readmission.settings import Settings
from readmission.steps import ingest, process, promote, score, train
from readmission.stores import postgres
from readmission.training import dask, dataset, fitting

distributed = pytest.importorskip("distributed", reason="Dask is not installed: the extra `scale`")


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """Run a cluster of two worker processes; gives its address."""
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def on_dask(database: Settings, sample: Path, scheduler: str) -> Settings:
    """Give settings whose raw batches, twenty, are ingested, and whose steps run on Dask."""
    config = database.replace(source=str(sample), batch_size=100, engine="dask", dask_scheduler=scheduler)
    ingest.run(config, every=True)
    return config


def locally(config: Settings) -> Settings:
    return config.replace(engine="local")


def tables(config: Settings) -> list[list[tuple[Any, ...]]]:
    """Return every clean row, and the batches with the hashes of their snapshots."""
    contents: list[list[tuple[Any, ...]]] = []
    with postgres.transaction(config, "monitor") as cursor:
        for query in (
            "SELECT batch_id, rows, excluded, snapshot, snapshot_sha256 FROM clean.batches ORDER BY 1",
            "SELECT * FROM clean.encounters ORDER BY encounter_id",
        ):
            cursor.execute(query)
            contents.append(cursor.fetchall())
    return contents


def forget(config: Settings) -> None:
    with postgres.transaction(config, "owner") as cursor:
        cursor.execute("DELETE FROM clean.encounters; DELETE FROM clean.batches")


def test_both_engines_write_the_same_tables_also_when_a_worker_is_killed(on_dask: Settings) -> None:
    batches = process.run(locally(on_dask))
    expected = tables(on_dask)
    assert len(batches) == len(expected[0]) == 20

    # Workers of the step's own.
    forget(on_dask)
    assert process.run(on_dask.replace(dask_scheduler="", dask_workers=1)) == batches
    assert tables(on_dask) == expected
    assert process.run(on_dask) == []

    # A scheduler that was there before; one of its two workers is killed with the first batch done.
    forget(on_dask)
    with distributed.Client(on_dask.dask.scheduler) as client:
        victim = next(iter(client.run(os.getpid).values()))

    def kill() -> None:
        while not tables(on_dask)[0]:
            time.sleep(0.01)
        os.kill(victim, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    process.run(on_dask)
    killer.join()
    assert tables(on_dask) == expected


def test_workers_leave_out_who_has_been_erased(on_dask: Settings, mlflow_server: str) -> None:
    config = on_dask.replace(mlflow_uri=mlflow_server, patient_key=SecretStr("k" * 64))
    with postgres.transaction(config, "monitor") as cursor:
        cursor.execute("SELECT patient_nbr FROM raw.encounters ORDER BY 1 LIMIT 1")
        [patient] = cursor.fetchone()
    process.run(config)
    erase.run(config, patient=str(patient), reason="asked to be")
    forget(config)
    process.run(locally(config))
    expected = tables(config)
    forget(config)
    process.run(config)
    assert tables(config) == expected


def test_a_model_trained_on_dask_is_one_like_any_other(on_dask: Settings, mlflow_server: str) -> None:
    mine = uuid.uuid4().hex[:8]
    config = on_dask.replace(mlflow_uri=mlflow_server, experiment=f"test_{mine}", model_name=f"model_{mine}")
    process.run(locally(config))
    with pytest.raises(UserError, match=r"decision_tree cannot be trained on Dask; allowed .*: lightgbm"):
        train.run(config, families="decision_tree")

    # A partition's rows are those of the whole, history included.
    whole = dataset.load(config)
    with engine.cluster(config) as client:
        data = dask.load(config, client)
        rows = whole.rows("train")
        np.testing.assert_array_equal(data.X.compute(), whole.matrix[rows].astype(np.float32))
        np.testing.assert_array_equal(data.y.compute(), whole.y[rows])
        assert (np.nan_to_num(whole.matrix[rows][:, whole.names.index("history_count")]) > 0).any()
        assert data.sha256 == whole.sha256 and data.counts.equals(whole.counts)
        candidate = dask.fit(data, "lightgbm", 7)
    for split in dataset.JUDGED:
        expected = candidate.pipeline.predict_proba(dataset.load(config, held_out=True).frames[split])
        np.testing.assert_array_equal(candidate.scored[split].probabilities, expected)
        np.testing.assert_array_equal(candidate.scored[split].y, whole.y[whole.rows(split)])

    # It is logged, gated, compiled and served as a local one.
    run = MlflowClient(config.mlflow.tracking_uri).get_run(train.run(config)["lightgbm"])
    assert run.data.params["engine"] == "dask"
    pipeline = tracking.load_pipeline(run.data.tags["model_uri"])
    assert pipeline.predict_proba(encoding.example()).shape == (1, 3)
    assert type(pipeline.named_steps["classify"].any_) is type(models.build("lightgbm")["classify"].estimator)
    assert promote.run(config) == "1"
    assert score.run(config) == len(whole.y)


def test_a_cluster_that_is_not_there_is_a_sentence(database: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    config = database.replace(engine="dask", dask_scheduler="tcp://127.0.0.1:9")
    monkeypatch.setattr(engine, "PATIENCE", 1)
    with pytest.raises(UserError, match="READMISSION_DASK_SCHEDULER: nothing answers"):
        list(engine.each(config, "process", process._process, [1]))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"install `readmission\[scale\]`"):
        list(engine.each(config, "process", process._process, [1]))


@pytest.mark.real
def test_on_the_real_data_the_quality_is_that_of_a_local_run(
    database: Settings, real_source: Path, scheduler: str
) -> None:
    config = database.replace(source=str(real_source), engine="dask", dask_scheduler=scheduler)
    ingest.run(config, every=True)
    process.run(config)
    here = fitting.fit(dataset.load(config), "lightgbm", 7)
    with engine.cluster(config) as client:
        there = dask.fit(dask.load(config, client), "lightgbm", 7)
    difference = metrics.compare(there.scored["test"], here.scored["test"], "roc_auc_30", resamples=200)
    assert difference.low <= 0 <= difference.high or abs(difference.value) < 0.005, difference
