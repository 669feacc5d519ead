"""Read and write what was decided: training.promotions, added to and never changed."""

import json
from typing import Any

import pandas as pd

from readmission.registry.runs import TrainedModel
from readmission.settings import Settings
from readmission.stores import postgres


def champions(settings: Settings, data_sha256: str, count: int = 3) -> pd.DataFrame:
    """Return the last champions, the newest first, with what they reached when they were trained.

    Args:
        settings: Settings with the database.
        data_sha256: Hash of the snapshot that a new candidate was trained on.
        count: Maximum number of rows.

    Returns:
        Frame with the columns version, family, batches, same data, and the metrics of test.
    """
    with postgres.transaction(settings, "train") as cursor:
        cursor.execute(
            "SELECT model_version, e.family, first_batch || '-' || last_batch, data_sha256 = %(data)s, e.metrics"
            " FROM training.promotions p JOIN training.runs e USING (run_id)"
            " WHERE decision = 'promoted' AND model_name = %(model)s ORDER BY p.id DESC LIMIT %(count)s",
            {"data": data_sha256, "model": settings.mlflow.model_name, "count": count},
        )
        rows = cursor.fetchall()
    records = [
        {"version": v, "family": f, "batches": b, "same data": "yes" if same else "no"}
        | {name: m.get(f"test_{name}", float("nan")) for name in ("roc_auc_30", "pr_auc_30", "ece_30", "accuracy")}
        for v, f, b, same, m in rows
    ]
    return pd.DataFrame(records)


def record_refusal(
    settings: Settings, candidate: TrainedModel, champion: str | None, reasons: list[dict[str, Any]], who: str
) -> None:
    """Write that the gates refused a candidate.

    Args:
        settings: Database and registered model.
        candidate: Model that was judged.
        champion: Version that stays the champion; None if there is none.
        reasons: Every check of the verdict.
        who: Who asked for the judgement.
    """
    with postgres.transaction(settings, "train") as cursor:
        cursor.execute(
            "INSERT INTO training.promotions"
            " (decision, model_name, replaced_version, run_id, family, reasons, decided_by)"
            " VALUES ('refused', %(model_name)s, %(champion)s, %(run_id)s, %(family)s, %(reasons)s, %(who)s)",
            {
                "model_name": settings.mlflow.model_name,
                "champion": champion,
                "run_id": candidate.run_id,
                "family": candidate.family,
                "reasons": json.dumps(reasons),
                "who": who,
            },
        )


def replaced_by(settings: Settings, version: str) -> str | None:
    """Return the version that a promotion of this one replaced; None when there was none."""
    with postgres.transaction(settings, "train") as cursor:
        cursor.execute(
            "SELECT replaced_version FROM training.promotions WHERE decision = 'promoted'"
            " AND model_name = %(model)s AND model_version = %(version)s ORDER BY id DESC LIMIT 1",
            {"model": settings.mlflow.model_name, "version": version},
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
