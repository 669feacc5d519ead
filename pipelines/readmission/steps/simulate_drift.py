"""Proof of the drift rule on the data at hand: no alarm on the batches as they came, an alarm on corrupted copies."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
import pandas as pd
import typer

from readmission.contract import codes
from readmission.data import snapshots
from readmission.errors import UserError
from readmission.monitoring import drift
from readmission.monitoring.binning import Binning
from readmission.monitoring.rules import rule_of
from readmission.settings import Settings

log = logging.getLogger(__name__)

Corruption = Callable[[pd.DataFrame], pd.DataFrame]


def older(frame: pd.DataFrame) -> pd.DataFrame:
    """Shift the age by two decades, as if another clinic sent its patients here."""
    last = len(codes.AGES) - 1
    shifted = {level: codes.AGES[min(i + 2, last)] for i, level in enumerate(codes.AGES)}
    return frame.assign(age=frame["age"].map(shifted).astype("str"))


def no_labs(frame: pd.DataFrame) -> pd.DataFrame:
    """Remove the laboratory's results, as if its interface were down: nothing measured, no tests."""
    return frame.assign(
        A1Cresult=pd.Series("None", frame.index, dtype="str"),
        max_glu_serum=pd.Series("None", frame.index, dtype="str"),
        num_lab_procedures=frame["num_lab_procedures"].mul(0),
    )


def other_units(frame: pd.DataFrame) -> pd.DataFrame:
    """Count in other units: doses for medications, half days for days in hospital."""
    return frame.assign(
        num_medications=(frame["num_medications"] * 3).clip(upper=150),
        time_in_hospital=(frame["time_in_hospital"] * 2).clip(upper=14),
    )


#: Shares of the encounters that are corrupted.
SHARES = "1,0.5,0.25,0.1"
CORRUPTIONS: dict[str, Corruption] = {
    "age shifted by two decades": older,
    "laboratory results missing": no_labs,
    "units changed": other_units,
}


@dataclass(frozen=True)
class Finding:
    """First alarm of a batch.

    Attributes:
        rows: Number of encounters of the batch until the alarm.
        columns: Columns that made the alarm.
    """

    rows: int
    columns: list[str]


def run(
    settings: Settings,
    *,
    shares: Annotated[str, typer.Option(help="Shares of the encounters that are corrupted, each tried.")] = SHARES,
) -> None:
    """Prove the drift rule: replay the clean batches as they are and with injected drift, and print the alarms.

    Nothing is written. The drift begins in the middle of the batches. The exit code is 1 on a false alarm, or if a
    corruption of all encounters goes unnoticed. Smaller shares show the limit of the rule.

    Raises:
        UserError: There are fewer than two clean batches, or a share does not lie between 0 and 1.
    """
    tried = _shares(shares)
    snapshot = snapshots.find(settings, role="monitor")
    frame, batches = snapshot.frame(), snapshot.batches
    if len(batches) < 2:
        raise UserError("Two clean batches are needed, one to compare with: run `readmission ingest` and `process`.")
    rule, size = rule_of(settings), settings.drift.window_rows
    first = batches[max(1, len(batches) // 2)]
    typer.echo(
        f"Rule: {rule.columns} clinical columns at PSI {rule.moderate} or one at {rule.large}, in {rule.windows} "
        f"windows of {size} encounters in a row."
    )
    false_alarms = sum(_watch(frame, batch, rule, size) is not None for batch in batches[1:])
    typer.echo(f"Real order, batches {batches[1]}–{batches[-1]}: {false_alarms} false alarms.")
    typer.echo(f"Injected from batch {first} on, into a share of the encounters: found after so many encounters.")
    typer.echo(f"{'':<28}" + "".join(f"{share:>10.0%}" for share in tried))
    bins, window = Binning(frame[frame["batch_id"] < first]), frame[frame["batch_id"] == first]
    drawn = np.random.default_rng(settings.seed).random(len(window))
    alarms: dict[str, list[Finding | None]] = {}
    for name, corrupt in CORRUPTIONS.items():
        alarms[name] = [replay(bins, _inject(window, corrupt, drawn < share), rule, size) for share in tried]
        cells = (str(alarm.rows) if alarm else "not found" for alarm in alarms[name])
        typer.echo(f"{name:<28}" + "".join(f"{cell:>10}" for cell in cells))
    typer.echo(summarise(false_alarms, alarms, tried))
    missed = any(row[i] is None for row in alarms.values() for i, share in enumerate(tried) if share == 1.0)
    if false_alarms or missed:
        raise typer.Exit(1)


def summarise(false_alarms: int, alarms: Mapping[str, Sequence[Finding | None]], shares: Sequence[float]) -> str:
    """Return the result as one sentence.

    Args:
        false_alarms: Number of alarms on the batches as they came.
        alarms: Alarms by name of the corruption, one a share; None where the drift was not found.
        shares: Shares of the encounters that were corrupted.
    """
    counts = (f"{sum(row[i] is not None for row in alarms.values())} at {share:.0%}" for i, share in enumerate(shares))
    return f"{false_alarms} false alarms; of {len(alarms)} injected drifts found: {', '.join(counts)}."


def _inject(window: pd.DataFrame, corrupt: Corruption, rows: npt.NDArray[np.bool_]) -> pd.DataFrame:
    corrupted = window.copy()
    corrupted.loc[rows] = corrupt(window.loc[rows])
    return corrupted


def _shares(text: str) -> list[float]:
    try:
        shares = [float(part) for part in text.split(",")]
    except ValueError:
        shares = []
    if not shares or not all(0 < share <= 1 for share in shares):
        raise UserError(f"--shares: {text!r} is not a list such as {SHARES}; each must lie between 0 and 1.")
    return shares


def _watch(frame: pd.DataFrame, batch: int, rule: drift.DriftRule, rows: int) -> Finding | None:
    log.info("replaying batch %s", batch)
    return replay(Binning(frame[frame["batch_id"] < batch]), frame[frame["batch_id"] == batch], rule, rows)


def replay(bins: Binning, window: pd.DataFrame, rule: drift.DriftRule, rows: int) -> Finding | None:
    """Return the first alarm of one batch, compared window by window with all before it; None if there is none."""
    seen: list[list[drift.ColumnDrift]] = []
    for positions in np.array_split(np.arange(len(window)), max(rule.windows, len(window) // rows)):
        seen.append(drift.compare(bins, window.iloc[positions]))
        if columns := drift.alarm(seen, rule):
            return Finding(rows=int(positions[-1]) + 1, columns=columns)
    return None
