"""Training on the workers of a Dask cluster: a clean batch is a partition, encoded where it is read.

Nothing is shuffled. The history of a patient comes from the table of visits, 33 bytes an encounter, which is on every
worker as it is on every server of the model (`visits.bin`). With it the history of a single batch is exact.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from readmission import models
from readmission.data import snapshots
from readmission.data.snapshots import CleanBatch, Snapshot
from readmission.errors import RefusalError
from readmission.evaluation.metrics import Scored
from readmission.features import encoding, history
from readmission.features.visits import Visits
from readmission.settings import Settings
from readmission.stores import objects
from readmission.training import dataset, fitting
from readmission.training.dataset import JUDGED, Data
from readmission.training.fitting import FittedFamily

Key = tuple[int, str, str]
Array = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class DaskDataset(Data):
    """A snapshot of CLEAN on the workers of a cluster.

    Attributes:
        client: Client of the cluster.
        batches_read: Futures of the batches' objects (`CleanBatch`), in order.
        visits: Future of the table of visits, on every worker.
        X, y: Dask arrays of the train split: float32 (n, features), and positions in contract.CLASSES, (n,).
    """

    client: Any
    batches_read: list[Any]
    visits: Any
    X: Any
    y: Any


def load(settings: Settings, client: Any, up_to: int | None = None) -> DaskDataset:
    """Read the clean snapshot up to a batch, each batch by one worker.

    Raises:
        RefusalError: There is no clean data, or too little of it.
    """
    import dask.array
    from dask.delayed import delayed

    snapshot, worker_settings = (
        snapshots.find(settings, up_to),
        settings.without_secrets("postgres_password_train"),
    )
    batches = client.map(_read_batch, [worker_settings] * len(snapshot.keys), snapshot.keys, pure=False)
    scans = client.gather(client.map(dataset.scan_batch, batches, pure=False))
    visits = client.scatter(history.join([seen for seen, _ in scans]), broadcast=True)
    X, y = [], []  # noqa: N806
    encode = delayed(_encode, pure=False, nout=2)
    for batch, (_, index) in zip(batches, scans, strict=True):
        if rows := int((index["split"] == "train").sum()):
            matrix, outcome = encode(batch, visits)
            X.append(dask.array.from_delayed(matrix, (rows, len(models.SERVED)), np.float32))
            y.append(dask.array.from_delayed(outcome, (rows,), np.int64))
    if not X:
        raise RefusalError(f"The train split of batches {snapshot.batches} is empty: ingest and process more data.")
    arrays = client.persist([dask.array.concatenate(X), dask.array.concatenate(y)])
    return DaskDataset(
        counts=dataset.count_splits(pd.concat([index for _, index in scans], ignore_index=True)),
        snapshot=snapshot,
        synthetic=snapshots.is_synthetic(settings, snapshot),
        icd=snapshots.code_systems(settings, snapshot),
        client=client,
        batches_read=batches,
        visits=visits,
        X=arrays[0],
        y=arrays[1],
    )


def fit(data: DaskDataset, family: str, seed: int, params: Mapping[str, Any] | None = None) -> FittedFamily:
    """Fit one family on the workers and measure it there; the Pipeline equals that of a local run.

    Raises:
        RefusalError: Validation or test has no row.
    """
    pipeline, began = models.build(family, params, seed=seed), time.perf_counter()
    _fit_heads(pipeline.named_steps["classify"], data)
    seconds = time.perf_counter() - began
    before = _score_splits(data, pipeline, ["validation"])
    fitting.recalibrate(pipeline.named_steps["classify"], before["validation"])
    return fitting.judge(family, pipeline, _score_splits(data, pipeline, list(JUDGED)), seconds)


def _score_splits(data: DaskDataset, pipeline: Pipeline, splits: list[str]) -> dict[str, Scored]:
    """Score splits on the workers, their rows by batch and encounter.

    Raises:
        RefusalError: A split has no row.
    """
    # A key of its own: one by content would be released with the copy of the scoring before, where nothing was moved.
    fitted = data.client.scatter(pipeline, broadcast=True, hash=False)
    futures = data.client.map(_score, data.batches_read, visits=data.visits, pipeline=fitted, splits=splits, pure=False)
    answers = data.client.gather(futures)
    scored = {split: _joined([answer[split] for answer in answers]) for split in splits}
    for split, rows in scored.items():
        if not len(rows.y):
            raise RefusalError(f"The {split} split of batches {data.batches} is empty: ingest and process more data.")
    return scored


def _fit_heads(heads: models.TwoHeads, data: DaskDataset) -> None:
    """Fit the heads by LightGBM on Dask, and convert them to the local classifiers that the rest of the code uses."""
    from lightgbm import DaskLGBMClassifier

    # Each worker sets its own threads, and LightGBM finds the open client by itself.
    params = {name: value for name, value in heads.estimator.get_params().items() if name != "n_jobs"}
    remote = clone(heads).set_params(estimator=DaskLGBMClassifier(**params)).fit(data.X, data.y)
    for name, fitted in vars(remote).items():
        if name.endswith("_"):
            setattr(heads, name, fitted.to_local() if hasattr(fitted, "to_local") else fitted)


def _read_batch(settings: Settings, key: Key) -> CleanBatch:
    return next(Snapshot(objects.objects(settings), [key]).read_batches())


def _encode(batch: CleanBatch, visits: bytes) -> tuple[Array, Array]:
    """Return matrix and outcomes of a batch's train rows."""
    frame = dataset.read_frame(batch, ["train"], Visits(visits))
    matrix = encoding.encode(frame, models.Encoder(models.SERVED).features)
    return matrix.astype(np.float32), encoding.target(frame)


def _score(batch: CleanBatch, visits: bytes, pipeline: Pipeline, splits: list[str]) -> dict[str, Scored]:
    """Score a batch's rows of some splits."""
    frame = dataset.read_frame(batch, splits, Visits(visits))
    rows = {split: frame[frame["split"] == split] for split in splits}
    return {
        split: Scored(
            encoding.target(part),
            pipeline.predict_proba(part) if len(part) else np.empty((0, 3)),
            part["patient_nbr"].to_numpy(),
        )
        for split, part in rows.items()
    }


def _joined(parts: list[Scored]) -> Scored:
    names = ("y", "probabilities", "patients")
    return Scored(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
