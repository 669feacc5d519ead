"""Read and write what was trained and what was decided: training.experiments and training.promotions."""

import json
from dataclasses import dataclass
from typing import Any, Literal

from readmission import stores
from readmission.evaluation import LOWER_IS_BETTER
from readmission.settings import Settings

Decision = Literal["promoted", "refused", "rolled back"]


@dataclass(frozen=True)
class Candidate:
    """Hold one trained model as training.experiments knows it.

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


def candidates(settings: Settings, data_sha256: str, selection: str) -> list[Candidate]:
    """Return the newest run of each family on one snapshot, the best on validation first.

    Args:
        settings: where the database is.
        data_sha256: of the snapshot.
        selection: metric that decides, without prefix.
    """
    with stores.transaction(settings, "train") as cursor:
        cursor.execute(
            "SELECT DISTINCT ON (family) run_id, family, first_batch || '-' || last_batch, data_sha256, synthetic,"
            " metrics FROM training.experiments WHERE data_sha256 = %s ORDER BY family, trained_at DESC",
            (data_sha256,),
        )
        found = [Candidate(*row) for row in cursor.fetchall()]
    sign = 1 if selection in LOWER_IS_BETTER else -1
    return sorted(found, key=lambda c: (sign * c.metrics.get(f"val_{selection}", -sign * float("inf")), c.family))


def newest_batch(settings: Settings) -> int | None:
    """Return the last batch that any candidate was trained on; None when nothing was trained."""
    with stores.transaction(settings, "train") as cursor:
        cursor.execute("SELECT max(last_batch) FROM training.experiments")
        (batch,) = cursor.fetchone()
    return batch if batch is None else int(batch)


def record(
    settings: Settings,
    decision: Decision,
    candidate: Candidate | None,
    version: str | None,
    replaced: str | None,
    reasons: list[dict[str, Any]],
    who: str,
) -> None:
    """Write one decision."""
    with stores.transaction(settings, "train") as cursor:
        cursor.execute(
            "INSERT INTO training.promotions"
            " (decision, model_name, model_version, replaced_version, run_id, family, reasons, decided_by)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            (
                decision, settings.model_name, version, replaced, candidate and candidate.run_id,
                candidate and candidate.family, json.dumps(reasons), who,
            ),
        )  # fmt: skip


def replaced_by(settings: Settings, version: str) -> str | None:
    """Return the version that a promotion of this one replaced; None when there was none."""
    with stores.transaction(settings, "train") as cursor:
        cursor.execute(
            "SELECT replaced_version FROM training.promotions WHERE decision = 'promoted' AND model_name = %s"
            " AND model_version = %s ORDER BY id DESC LIMIT 1",
            (settings.model_name, version),
        )
        row = cursor.fetchone()
    return row[0] if row else None
