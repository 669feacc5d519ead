"""Read and write what was trained: training.runs, one row for each run, added and never changed."""

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

import pandas as pd

from readmission.evaluation.metrics import LOWER_IS_BETTER
from readmission.registry import lineage
from readmission.settings import Role, Settings
from readmission.stores import postgres


@dataclass(frozen=True, kw_only=True)
class TrainingKey:
    """What trainings of a family that give the same model have in common.

    Attributes:
        data_sha256: Hash of the snapshot.
        seed: Seed of every random choice.
        code: Version of the code (`lineage.code_version`).
        packages: Libraries with their versions; None for runs that were recorded before they were.
    """

    data_sha256: str
    seed: int
    code: str
    packages: str | None


@dataclass(frozen=True, kw_only=True)
class TrainedModel:
    """Trained model as training.runs records it.

    Attributes:
        run_id: MLflow run.
        family: Key of models.FAMILIES.
        first_batch, last_batch: Batches of its snapshot.
        data_sha256, seed, code, packages: Its `TrainingKey`.
        synthetic: Whether its data was.
        icd: Code systems of its data, separated by spaces.
        revision: Commit of the code. None or empty if it was not known.
        image: Image that trained it. None or empty if there was none.
        metrics: Metrics prefixed by val_ and test_.
    """

    run_id: str
    family: str
    first_batch: int
    last_batch: int
    data_sha256: str
    synthetic: bool
    icd: str
    seed: int
    code: str
    packages: str | None
    revision: str | None
    image: str | None
    metrics: dict[str, float]

    @property
    def batches(self) -> str:
        """Return the first and the last batch, as "1-7"."""
        return f"{self.first_batch}-{self.last_batch}"


_COLUMNS = ", ".join(field.name for field in fields(TrainedModel))
_VALUES = ", ".join(f"%({field.name})s" for field in fields(TrainedModel))
_SAME_TRAINING = (
    "data_sha256 = %(data_sha256)s AND seed = %(seed)s AND code = %(code)s"
    " AND packages IS NOT DISTINCT FROM %(packages)s"
)


def record(settings: Settings, model: TrainedModel) -> None:
    """Add a trained model, and show it to the code of the version before, which reads training.experiments."""
    row = asdict(model) | {"metrics": json.dumps({name: v for name, v in model.metrics.items() if v == v})}
    with postgres.transaction(settings, "train") as cursor:
        cursor.execute(f"INSERT INTO training.runs ({_COLUMNS}) VALUES ({_VALUES})", row)  # noqa: S608  our own names
        cursor.execute(
            "INSERT INTO training.experiments"
            " (run_id, family, first_batch, last_batch, data_sha256, synthetic, icd, seed, git_sha, metrics)"
            " VALUES (%(run_id)s, %(family)s, %(first_batch)s, %(last_batch)s, %(data_sha256)s, %(synthetic)s,"
            " %(icd)s, %(seed)s, %(code)s, %(metrics)s)"
            " ON CONFLICT (family, data_sha256, seed, git_sha) DO UPDATE SET run_id = excluded.run_id,"
            " metrics = excluded.metrics, trained_at = now()",
            row,
        )


def current_key(settings: Settings, data_sha256: str) -> TrainingKey:
    """Return the key of a training of some data by this code, with its libraries and the seed of the settings."""
    return TrainingKey(
        data_sha256=data_sha256, seed=settings.seed, code=lineage.code_version(), packages=lineage.packages()
    )


def trained(settings: Settings, key: TrainingKey, role: Role = "train") -> dict[str, str]:
    """Return the newest run of each family that was trained with this key: run id by family."""
    with postgres.transaction(settings, role) as cursor:
        cursor.execute(
            "SELECT DISTINCT ON (family) family, run_id FROM training.runs"  # noqa: S608  our own text
            f" WHERE {_SAME_TRAINING} ORDER BY family, trained_at DESC",
            asdict(key),
        )
        return dict(cursor.fetchall())


def candidates(settings: Settings, data_sha256: str, code: str, packages: str, selection: str) -> list[TrainedModel]:
    """Return the newest run of each family on one snapshot by this code and libraries, the best on validation first.

    Args:
        settings: Database.
        data_sha256: Hash of the snapshot.
        code: Version of the code. Other code may read the same Pipeline in another way.
        packages: Libraries with their versions.
        selection: Metric that decides, without prefix.
    """
    newest = _read(
        settings,
        f"SELECT DISTINCT ON (family) {_COLUMNS} FROM training.runs WHERE data_sha256 = %(data_sha256)s"  # noqa: S608
        " AND code = %(code)s AND packages = %(packages)s ORDER BY family, trained_at DESC",
        {"data_sha256": data_sha256, "code": code, "packages": packages},
    )
    sign = 1 if selection in LOWER_IS_BETTER else -1
    return sorted(newest, key=lambda c: (sign * c.metrics.get(f"val_{selection}", -sign * float("inf")), c.family))


def newest_data(settings: Settings, last_batch: int, code: str, packages: str) -> str | None:
    """Return the data hash of the newest training up to a batch by some code and libraries; None if there is none."""
    with postgres.transaction(settings, "train") as cursor:
        cursor.execute(
            "SELECT data_sha256 FROM training.runs WHERE last_batch = %(last_batch)s AND code = %(code)s"
            " AND packages = %(packages)s ORDER BY trained_at DESC LIMIT 1",
            {"last_batch": last_batch, "code": code, "packages": packages},
        )
        row = cursor.fetchone()
    return str(row[0]) if row else None


def find(settings: Settings, run_id: str) -> TrainedModel | None:
    """Return the model of one run; None if nothing was trained in it."""
    query = f"SELECT {_COLUMNS} FROM training.runs WHERE run_id = %(run_id)s"  # noqa: S608  our own names
    return next(iter(_read(settings, query, {"run_id": run_id})), None)


def newest_batch(settings: Settings) -> int | None:
    """Return the last batch that any model was trained on; None when nothing was trained."""
    with postgres.transaction(settings, "train") as cursor:
        cursor.execute("SELECT max(last_batch) FROM training.runs")
        (batch,) = cursor.fetchone()
    return batch if batch is None else int(batch)


def learning_curve(settings: Settings, code: str, families: list[str]) -> pd.DataFrame:
    """Return how good the families became with more batches, by this code and seed.

    Returns:
        Columns family, batches, test_roc_auc_30 and test_accuracy; the newest run of each family and last batch.
    """
    with postgres.transaction(settings, "train") as cursor:
        cursor.execute(
            "SELECT DISTINCT ON (family, last_batch) family, last_batch, (metrics ->> 'test_roc_auc_30')::float8,"
            " (metrics ->> 'test_accuracy')::float8 FROM training.runs"
            " WHERE code = %(code)s AND seed = %(seed)s AND family = ANY(%(families)s)"
            " ORDER BY family, last_batch, trained_at DESC",
            {"code": code, "seed": settings.seed, "families": families},
        )
        return pd.DataFrame(cursor.fetchall(), columns=["family", "batches", "test_roc_auc_30", "test_accuracy"])


def _read(settings: Settings, query: str, arguments: dict[str, Any]) -> list[TrainedModel]:
    names = [field.name for field in fields(TrainedModel)]
    with postgres.transaction(settings, "train") as cursor:
        cursor.execute(query, arguments)
        return [TrainedModel(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]
