"""Train on the workers of a Dask cluster: a clean batch is a partition, encoded where it is read.

Nothing is shuffled. What earlier encounters say comes from the table of visits, 33 bytes an encounter, which every
worker holds as every server of the model does (`visits.bin`); with it the history of a batch alone is exact.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.pipeline import Pipeline

from readmission import contract, engine, models
from readmission.data import snapshots
from readmission.data.snapshots import Snapshot
from readmission.errors import UserError
from readmission.evaluation.metrics import Scored
from readmission.features import encoding, history
from readmission.features.visits import Visits
from readmission.settings import Settings
from readmission.stores import objects
from readmission.training import dataset
from readmission.training.dataset import JUDGED, Candidate, Data

Key = tuple[int, str, str]
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Spread(Data):
    """Hold one snapshot of CLEAN on the workers.

    Attributes:
        client: of the cluster.
        settings: as the workers need them.
        known: future of the table of visits, on every worker.
        X, y: dask arrays of the train split: float32 (n, features), and positions in contract.CLASSES, (n,).
    """

    client: Any
    settings: Settings
    known: Any
    X: Any
    y: Any


def load(settings: Settings, client: Any, up_to: int | None = None) -> Spread:
    """Read the clean snapshot up to a batch, each batch by a worker.

    Raises:
        UserError: there is no clean data, or too little of it.
    """
    import dask.array
    from dask.delayed import delayed

    snapshot, theirs = snapshots.find(settings, up_to), engine.for_workers(settings, "train")
    keys = snapshot.keys
    looked = client.gather(client.map(_look, [theirs] * len(keys), keys, pure=False))
    index = pd.concat([part for _, part in looked], ignore_index=True)
    known = client.scatter(history.join([seen for seen, _ in looked]), broadcast=True)
    X, y = [], []  # noqa: N806
    encode = delayed(_encode, pure=False, nout=2)
    for key, (_, part) in zip(keys, looked, strict=True):
        if rows := int((part["split"] == "train").sum()):
            matrix, outcome = encode(theirs, key, known)
            X.append(dask.array.from_delayed(matrix, (rows, len(models.SERVED)), np.float32))
            y.append(dask.array.from_delayed(outcome, (rows,), np.int64))
    if not X:
        raise UserError(f"The train split of batches {snapshot.batches} is empty: ingest and process more data.")
    together = client.persist([dask.array.concatenate(X), dask.array.concatenate(y)])
    counts = dataset.count_splits(index)
    return Spread(counts, snapshot, snapshots.synthetic(settings, snapshot), client, theirs, known, *together)


def fit(data: Spread, family: str, seed: int, params: Mapping[str, Any] | None = None) -> Candidate:
    """Fit one family on the workers and judge it there; the Pipeline is the one that a local run gives.

    Raises:
        UserError: validation or test has no row.
    """
    pipeline, began = models.build(family, params, seed=seed), time.perf_counter()
    _fit_heads(pipeline.named_steps["classify"], data)
    seconds = time.perf_counter() - began
    fitted = data.client.scatter(pipeline, broadcast=True)
    keys = data.snapshot.keys
    answers = data.client.gather(
        data.client.map(_score, [data.settings] * len(keys), keys, known=data.known, pipeline=fitted, pure=False)
    )
    scored = {split: _joined([answer[split] for answer in answers]) for split in JUDGED}
    for split, found in scored.items():
        if not len(found.y):
            raise UserError(f"The {split} split of batches {data.batches} is empty: ingest and process more data.")
    return dataset.judge(family, pipeline, scored, seconds)


def _fit_heads(heads: models.TwoHeads, data: Spread) -> None:
    """Fit both heads by LightGBM on Dask, and make them the local classifiers that everything else knows."""
    from lightgbm import DaskLGBMClassifier

    # Threads are each worker's own; the client is the one that is open.
    params = {name: value for name, value in heads.estimator.get_params().items() if name != "n_jobs"}
    remote = models.TwoHeads(DaskLGBMClassifier(**params), heads.categorical).fit(data.X, data.y)
    heads.classes_, heads.n_features_in_ = remote.classes_, remote.n_features_in_
    heads.any_, heads.early_ = remote.any_.to_local(), remote.early_.to_local()


def _frame(settings: Settings, key: Key, splits: list[str], known: bytes) -> pd.DataFrame:
    table = next(Snapshot(objects.objects(settings), [key]).tables(splits=splits))
    return history.add(table.to_pandas(), Visits(known))


def _look(settings: Settings, key: Key) -> tuple[Array, pd.DataFrame]:
    """Return what later encounters see of a batch, and each row's patient, split and outcome."""
    columns = sorted({*history.VISIT_COLUMNS, "split"})
    frame = next(Snapshot(objects.objects(settings), [key]).tables(columns)).to_pandas()
    kept = ["patient_nbr", "split", contract.TARGET]
    return history.seen(frame), frame[kept].astype({"split": "category", contract.TARGET: "category"})


def _encode(settings: Settings, key: Key, known: bytes) -> tuple[Array, Array]:
    """Return matrix and outcomes of a batch's train rows."""
    frame = _frame(settings, key, ["train"], known)
    matrix = encoding.encode(frame, models.Encoder(models.SERVED).features)
    return matrix.astype(np.float32), encoding.target(frame)


def _score(settings: Settings, key: Key, known: bytes, pipeline: Pipeline) -> dict[str, Scored]:
    """Score a batch's rows of validation and test."""
    frame = _frame(settings, key, list(JUDGED), known)
    rows = {split: frame[frame["split"] == split] for split in JUDGED}
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
