"""Batch scoring with the champion: the clean table into serving.scores, or a CSV file into a CSV file."""

import getpass
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import typer
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient
from sklearn.pipeline import Pipeline

from readmission import contract, models, tracing
from readmission.contract import icd
from readmission.contract.validation import reason_for
from readmission.data import snapshots
from readmission.errors import UserError
from readmission.features import encoding, history
from readmission.features.visits import Visits
from readmission.privacy.access_log import Scoring
from readmission.registry import custody, tracking
from readmission.settings import Settings
from readmission.stores import postgres

log = logging.getLogger(__name__)

_COLUMNS = ["p_no", "p_late", "p_early"]  # in the order of contract.CLASSES


def run(
    settings: Settings,
    *,
    file: Annotated[Path | None, typer.Option(help="CSV file of raw columns to score. Needs --out.")] = None,
    out: Annotated[Path | None, typer.Option(help="CSV file to write the scores to. Needs --file.")] = None,
    batch: Annotated[int | None, typer.Option(help="Score this clean batch only. [all]")] = None,
    new: Annotated[bool, typer.Option(help="Score only the clean batches that the champion has not scored.")] = False,
    by: Annotated[str, typer.Option(help="Who asks, for the access log. [the user of this process]")] = "",
) -> int | list[int]:
    """Score encounters with the champion: every clean encounter into serving.scores, or a CSV file into a CSV file.

    Scores that this version gave before are replaced. Batches that it was fitted on are scored by the judged model.

    Returns:
        Number of encounters scored; with --new an empty list if there was nothing to score.

    Raises:
        UserError: There is no champion, it is not as it was signed, or the file, with row and column, is not allowed.
    """
    if (file is None) != (out is None):
        raise UserError("--file and --out go together.")
    client = tracking.connect(settings)
    champion = tracking.champion(client, settings)
    if not (champion or new):
        raise UserError("There is no champion yet: run `readmission train` and `readmission promote`.")
    waiting = _unscored(settings, str(champion.version)) if champion and new else None
    if champion is None or waiting == []:
        log.info("nothing to score: there is no champion, or it has scored every clean batch")
        return []
    pipeline = custody.load_pipeline(settings, client, champion)
    accesses = Scoring(settings, str(champion.version), by or getpass.getuser())
    if file is not None and out is not None:
        rows = _score_file(settings, pipeline, file, out, accesses)
    else:
        fits, chosen = _fits(settings, client, champion, pipeline), waiting or ([batch] if batch else None)
        rows = _score_clean(settings, fits, chosen, accesses)
    tracing.count(rows=rows)
    log.info("%d encounters scored by version %s into %s", rows, champion.version, out or "serving.scores")
    return rows


def _fits(
    settings: Settings, client: MlflowClient, champion: ModelVersion, pipeline: Pipeline
) -> Callable[[int], Pipeline]:
    """Return which fit scores a batch: the judged one, if the champion was fitted on the batch."""
    judged = tracking.model_uri(client, str(champion.run_id))
    if champion.source == judged:
        return lambda _: pipeline
    before = recalibrate_alike(custody.load_pipeline(settings, client, champion, judged), pipeline)
    last = int(champion.tags["batches"].split("-")[-1])
    return lambda batch: before if batch <= last else pipeline


def recalibrate_alike(judged: Pipeline, served: Pipeline) -> Pipeline:
    """Let the judged model state the odds that the one in service does, and return it.

    Both were recalibrated to the newest patients, each by rows of its own; that is no drift between batches.
    """
    heads = served.named_steps["classify"]
    if isinstance(heads, models.TwoHeads):
        judged.named_steps["classify"].recalibrate(heads.any_slope_, heads.any_shift_, heads.early_shift_)
    return judged


def _score_file(settings: Settings, pipeline: Pipeline, file: Path, out: Path, accesses: Scoring) -> int:
    """Score a CSV file into another, and return the number of rows."""
    raw = read(file, settings.icd)
    scores = pipeline.predict_proba(
        _with_history(settings, encoding.typed_frame(_without_partial_ids(raw), settings.icd))
    )
    names = [f"probability_{name}" for name in contract.CLASSES]
    predictions = pd.DataFrame(scores, columns=names, index=raw.index).round(6)
    predictions["prediction"] = np.array(contract.CLASSES)[scores.argmax(axis=1)]
    _log_file(settings, accesses, raw)
    raw.join(predictions.assign(model_version=accesses.version)).to_csv(out, index=False)
    return len(raw)


def _log_file(settings: Settings, accesses: Scoring, raw: pd.DataFrame) -> None:
    """Write down who had the patients of a file scored, if it names them; before anybody sees the scores."""
    if "patient_nbr" in raw:
        numbers = {int(text) for text in raw["patient_nbr"].unique() if text.isdecimal()}
        with postgres.transaction(settings, "score") as cursor:
            accesses.add_patients(cursor, numbers)


def _unscored(settings: Settings, version: str) -> list[int]:
    """Return the clean batches with encounters that a version has not scored."""
    with postgres.transaction(settings, "score") as cursor:
        cursor.execute(
            "SELECT DISTINCT batch_id FROM clean.encounters c WHERE NOT EXISTS ("
            "SELECT FROM serving.scores s WHERE s.encounter_id = c.encounter_id"
            " AND s.model_name = %(model_name)s AND s.model_version = %(version)s) ORDER BY batch_id",
            {"model_name": settings.mlflow.model_name, "version": version},
        )
        return [batch for (batch,) in cursor.fetchall()]


def _score_clean(
    settings: Settings, pipeline_of: Callable[[int], Pipeline], batches: list[int] | None, accesses: Scoring
) -> int:
    """Score the clean table, or some batches of it, into serving.scores, and return the number of rows."""
    snapshot = snapshots.find(settings, batches[-1] if batches else None, role="score")
    visits, rows = Visits(snapshot.visits()), 0
    for batch_id, table in zip(snapshot.batches, snapshot.tables(), strict=True):
        if batches is None or batch_id in batches:
            frame = history.add(table.to_pandas(), visits)
            scores = pipeline_of(batch_id).predict_proba(frame)
            with postgres.transaction(settings, "score") as cursor:
                _store(settings, cursor, frame["encounter_id"], scores, accesses.version)
                accesses.add_batch(cursor, batch_id)
            rows += len(frame)
    return rows


def _without_partial_ids(raw: pd.DataFrame) -> pd.DataFrame:
    """Drop identifier columns that are unknown in some row."""
    partly = [name for name in contract.IDENTIFIERS if name in raw and (raw[name] == contract.MISSING_TOKEN).any()]
    return raw.drop(columns=partly)


def _with_history(settings: Settings, frame: pd.DataFrame) -> pd.DataFrame:
    """Add the history that CLEAN has of the patients of a file, if the file identifies them."""
    if "patient_nbr" not in frame:
        return frame
    return history.add(frame, Visits(snapshots.find(settings, role="score").visits()))


def read(path: Path, system: icd.System = "9cm") -> pd.DataFrame:
    """Read the raw columns of a request from a CSV file, in any order; other columns are kept.

    An absent optional column becomes unknown, or takes the value that the contract assumes.

    Args:
        path: The file.
        system: Declared code system of the diagnoses.

    Raises:
        UserError: The file is not CSV, a required column is absent, or a value is not allowed.
    """
    try:
        raw = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else type(error).__name__
        raise UserError(f"{path} cannot be read as CSV: {reason}.") from error
    absent = [c.name for c in contract.FEATURE_COLUMNS if c.required and c.name not in raw]
    if absent:
        raise UserError(f"{path} lacks the columns {', '.join(absent)}.")
    for column in contract.REQUEST_COLUMNS:
        if column.name not in raw:
            if column in contract.FEATURE_COLUMNS:
                raw[column.name] = column.assumed or contract.MISSING_TOKEN
            continue
        if not column.required:
            raw[column.name] = raw[column.name].replace("", column.assumed or contract.MISSING_TOKEN)
        _check(path, raw[column.name], column, system)
    return raw


def _check(path: Path, values: pd.Series, column: contract.Column, system: icd.System) -> None:
    for text in values.unique():
        # An optional value may be unknown even where the hospital's file always has one.
        reason = reason_for(column, text, system)
        if reason and (column.required or text != contract.MISSING_TOKEN):
            row = int(np.flatnonzero((values == text).to_numpy())[0]) + 1
            # Without the value: the message goes to the step's log.
            raise UserError(f"{path}, row {row}: {column.name} is not allowed; allowed: {reason['allowed']}.")


def _store(settings: Settings, cursor: Any, encounters: pd.Series, scores: np.ndarray, version: str) -> None:
    """Write scores; those of the same version are replaced."""
    table = pa.table(
        {
            "encounter_id": pa.array(encounters.to_numpy()),
            "model_name": pa.array([settings.mlflow.model_name] * len(encounters)),
            "model_version": pa.array([version] * len(encounters)),
            **{name: pa.array(scores[:, i]) for i, name in enumerate(_COLUMNS)},
        }
    )
    names = ", ".join(table.column_names)
    cursor.execute("CREATE TEMP TABLE fresh (LIKE serving.scores INCLUDING DEFAULTS) ON COMMIT DROP")
    postgres.copy_in(cursor, "fresh", table)
    cursor.execute(
        f"INSERT INTO serving.scores ({names}) SELECT {names} FROM fresh"  # noqa: S608  our own names
        " ON CONFLICT (encounter_id, model_name, model_version) DO UPDATE"
        " SET p_no = excluded.p_no, p_late = excluded.p_late, p_early = excluded.p_early, scored_at = now()"
    )
