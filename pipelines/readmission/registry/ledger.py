"""Read and write what was trained and what was decided: training.experiments and training.promotions."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from readmission.evaluation.metrics import LOWER_IS_BETTER
from readmission.settings import Settings
from readmission.stores import postgres

Decision = Literal["promoted", "refused", "rolled back"]


@dataclass(frozen=True)
class Experiment:
    """A trained model as training.experiments records it.

    Attributes:
        run_id: MLflow run.
        family: key of models.FAMILIES.
        batches: first and last, as "1-7".
        data_sha256: of its snapshot.
        synthetic: whether its data was.
        metrics: val_ and test_ metrics.
    """

    run_id: str
    family: str
    batches: str
    data_sha256: str
    synthetic: bool
    metrics: dict[str, float]


def experiments(settings: Settings, data_sha256: str, selection: str) -> list[Experiment]:
    """Return the newest run of each family on one snapshot, the best on validation first.

    Args:
        settings: where the database is.
        data_sha256: of the snapshot.
        selection: metric that decides, without prefix.
    """
    with postgres.transaction(settings, "train") as cursor:
        cursor.execute(
            "SELECT DISTINCT ON (family) run_id, family, first_batch || '-' || last_batch, data_sha256, synthetic,"
            " metrics FROM training.experiments WHERE data_sha256 = %s ORDER BY family, trained_at DESC",
            (data_sha256,),
        )
        newest = [Experiment(*row) for row in cursor.fetchall()]
    sign = 1 if selection in LOWER_IS_BETTER else -1
    return sorted(newest, key=lambda c: (sign * c.metrics.get(f"val_{selection}", -sign * float("inf")), c.family))


def champions(settings: Settings, data_sha256: str, count: int = 3) -> pd.DataFrame:
    """Return the last champions, the newest first, with what they reached when they were trained.

    Args:
        settings: where the database is.
        data_sha256: of the snapshot that a new candidate was trained on.
        count: at most as many.

    Returns:
        columns version, family, batches, same data, and metrics of test.
    """
    with postgres.transaction(settings, "train") as cursor:
        cursor.execute(
            "SELECT model_version, e.family, first_batch || '-' || last_batch, data_sha256 = %s, e.metrics"
            " FROM training.promotions p JOIN training.experiments e USING (run_id)"
            " WHERE decision = 'promoted' AND model_name = %s ORDER BY p.id DESC LIMIT %s",
            (data_sha256, settings.mlflow.model_name, count),
        )
        rows = cursor.fetchall()
    records = [
        {"version": v, "family": f, "batches": b, "same data": "yes" if same else "no"}
        | {name: m.get(f"test_{name}", float("nan")) for name in ("roc_auc_30", "pr_auc_30", "ece_30", "accuracy")}
        for v, f, b, same, m in rows
    ]
    return pd.DataFrame(records)


def newest_batch(settings: Settings) -> int | None:
    """Return the last batch that any candidate was trained on; None when nothing was trained."""
    with postgres.transaction(settings, "train") as cursor:
        cursor.execute("SELECT max(last_batch) FROM training.experiments")
        (batch,) = cursor.fetchone()
    return batch if batch is None else int(batch)


def record(
    settings: Settings,
    decision: Decision,
    experiment: Experiment | None,
    version: str | None,
    replaced: str | None,
    reasons: list[dict[str, Any]],
    who: str,
) -> None:
    """Write one decision."""
    with postgres.transaction(settings, "train") as cursor:
        cursor.execute(
            "INSERT INTO training.promotions"
            " (decision, model_name, model_version, replaced_version, run_id, family, reasons, decided_by)"
            " VALUES (%(decision)s, %(model_name)s, %(version)s, %(replaced)s, %(run_id)s, %(family)s, %(reasons)s,"
            " %(who)s)",
            {
                "decision": decision,
                "model_name": settings.mlflow.model_name,
                "version": version,
                "replaced": replaced,
                "run_id": experiment and experiment.run_id,
                "family": experiment and experiment.family,
                "reasons": json.dumps(reasons),
                "who": who,
            },
        )


def replaced_by(settings: Settings, version: str) -> str | None:
    """Return the version that a promotion of this one replaced; None when there was none."""
    with postgres.transaction(settings, "train") as cursor:
        cursor.execute(
            "SELECT replaced_version FROM training.promotions WHERE decision = 'promoted' AND model_name = %s"
            " AND model_version = %s ORDER BY id DESC LIMIT 1",
            (settings.mlflow.model_name, version),
        )
        row = cursor.fetchone()
    return row[0] if row else None


def is_rolled_back(settings: Settings, run_id: str) -> bool:
    """Whether the newest decision on the version of a run was to roll back from it."""
    with postgres.transaction(settings, "train") as cursor:
        cursor.execute(
            "SELECT d.replaced_version = v.model_version AND d.decision = 'rolled back'"
            " FROM (SELECT DISTINCT model_version FROM training.promotions WHERE decision = 'promoted'"
            " AND model_name = %(model_name)s AND run_id = %(run_id)s) v"
            " JOIN training.promotions d ON d.model_name = %(model_name)s"
            " AND (d.model_version = v.model_version OR d.replaced_version = v.model_version)"
            " WHERE d.decision = 'rolled back' OR d.model_version = v.model_version ORDER BY d.id DESC LIMIT 1",
            {"model_name": settings.mlflow.model_name, "run_id": run_id},
        )
        row = cursor.fetchone()
    return bool(row and row[0])


@contextlib.contextmanager
def lock_decisions(settings: Settings) -> Iterator[None]:
    """Wait until no other process promotes or rolls back, and keep others waiting meanwhile."""
    with postgres.transaction(settings, "train") as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('readmission.promote'))")
        yield
