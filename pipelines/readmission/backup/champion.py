"""Champion of a backup: which version, and what it answers to its golden rows."""

import tempfile
from pathlib import Path
from typing import Any

import msgspec

from readmission import scorer
from readmission.backup.locations import Location
from readmission.backup.manifest import ChampionRecord
from readmission.errors import UserError
from readmission.scorer.manifest import MANIFEST, read_golden
from readmission.scorer.rows import ORDER

#: Largest difference between the answers of one model on two machines: that between a scorer and its Pipeline.
TOLERANCE = 1e-6
_SCHEME = "mlflow-artifacts:/"
_CHAMPION = """
SELECT v.version::text, v.run_id, r.artifact_uri FROM registered_model_aliases a
JOIN model_versions v ON v.name = a.name AND v.version = a.version JOIN runs r ON r.run_uuid = v.run_id
WHERE a.name = %(model)s AND a.alias = 'champion'"""


def read_champion(cursor: Any, artifacts: Location, model: str) -> ChampionRecord | None:
    """Return the champion in MLflow's tables with its golden answers.

    Args:
        cursor: Of MLflow's database.
        artifacts: Where MLflow keeps artifacts.
        model: Registered model.

    Returns:
        The champion. If omitted, none was promoted.

    Raises:
        UserError: Its compiled form is not among the artifacts, or is damaged.
    """
    cursor.execute("SELECT to_regclass('registered_model_aliases') IS NOT NULL")
    if not cursor.fetchone()[0]:
        return None
    cursor.execute(_CHAMPION, {"model": model})
    row = cursor.fetchone()
    if row is None:
        return None
    version, run_id, uri = row
    if not uri.startswith(_SCHEME):
        raise UserError(f"MLflow keeps run {run_id} at {uri}, which its server does not proxy: no backup can hold it.")
    folder = f"{uri.removeprefix(_SCHEME).strip('/')}/serving"
    return ChampionRecord(
        model=model, version=version, run_id=run_id, folder=folder, golden=answer_golden(artifacts.child(folder))
    )


def answer_golden(folder: Location) -> list[tuple[float, ...]]:
    """Load a compiled model and answer its golden rows.

    Raises:
        UserError: The model is not there, not whole, or of another contract version.
    """
    with tempfile.TemporaryDirectory() as directory:
        local = Path(directory)
        try:
            _bring(folder, MANIFEST, local)
            files = msgspec.json.decode((local / MANIFEST).read_bytes())["files"]
            for name in files:
                _bring(folder, name, local)
        except KeyError as error:
            raise UserError(
                f"The champion's compiled model is not whole in {folder.url}: {error} is missing."
            ) from error
        # Golden rows have no history, so that no key is needed.
        model = scorer.load(local, None)
        rows = read_golden(local)
        return [tuple(model.score(tuple(row.request.get(name) for name in ORDER))) for row in rows]


def largest_difference(before: list[tuple[float, ...]], now: list[tuple[float, ...]]) -> float:
    """Return the largest difference of two lists of answers; infinite if their shapes differ."""
    if [len(row) for row in before] != [len(row) for row in now]:
        return float("inf")
    return max((abs(a - b) for x, y in zip(before, now, strict=True) for a, b in zip(x, y, strict=True)), default=0.0)


def _bring(folder: Location, name: str, local: Path) -> None:
    if Path(name).name != name:
        raise UserError(f"The manifest of {folder.url} names a file outside its folder.")
    with folder.open(name) as reader:
        (local / name).write_bytes(reader.read())
