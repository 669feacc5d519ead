"""Prove the drift rule on the data at hand: silent on the batches as they came, loud on corrupted copies."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from readmission.contract import codes
from readmission.data import snapshots
from readmission.errors import UserError
from readmission.monitoring import drift
from readmission.monitoring.rules import rule_of
from readmission.settings import Settings

log = logging.getLogger(__name__)

Corruption = Callable[[pd.DataFrame], pd.DataFrame]


def older(frame: pd.DataFrame) -> pd.DataFrame:
    """Shift the age by two decades, as when another clinic sends its patients here."""
    last = len(codes.AGES) - 1
    shifted = {level: codes.AGES[min(i + 2, last)] for i, level in enumerate(codes.AGES)}
    return frame.assign(age=frame["age"].map(shifted).astype("str"))


def no_labs(frame: pd.DataFrame) -> pd.DataFrame:
    """Lose the laboratory's results, as when an interface is down: not measured, no tests."""
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
    """Hold one alarm.

    Attributes:
        rows: encounters of its batch seen until then.
        columns: that made it.
    """

    rows: int
    columns: list[str]


def run(
    settings: Settings,
    *,
    shares: Annotated[str, typer.Option(help="Shares of the encounters that are corrupted, each tried.")] = SHARES,
) -> None:
    """Replay the clean batches, each against all before it, as they are and with injected drift; print what was found.

    Nothing is written. The drift begins in the middle of the batches. Exits with 1 on a false alarm, or when a
    corruption of all encounters is not found; what is found of smaller shares shows the limit of the rule.

    Raises:
        UserError: there are fewer than two clean batches, or a share is none.
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
    calm = [found for batch in batches[1:] if (found := _watch(frame, batch, rule, size))]
    typer.echo(f"Real order, batches {batches[1]}–{batches[-1]}: {len(calm)} false alarms.")
    typer.echo(f"Injected from batch {first} on, into a share of the encounters: found after so many encounters.")
    typer.echo(f"{'':<28}" + "".join(f"{share:>10.0%}" for share in tried))
    bins = drift.Binning(frame[frame["batch_id"] < first])
    window = frame[frame["batch_id"] == first]
    drawn = np.random.default_rng(settings.seed).random(len(window))
    results: dict[tuple[str, float], Finding | None] = {}
    for name, corrupt in CORRUPTIONS.items():
        for share in tried:
            dirty, hit = window.copy(), drawn < share
            dirty.loc[hit] = corrupt(window.loc[hit])
            results[name, share] = replay(bins, dirty, rule, size)
        cells = (str(alarm.rows) if (alarm := results[name, share]) else "not found" for share in tried)
        typer.echo(f"{name:<28}" + "".join(f"{cell:>10}" for cell in cells))
    typer.echo(_sum(len(calm), results, tried))
    if calm or any(results[name, share] is None for name, share in results if share == 1.0):
        raise typer.Exit(1)


def _sum(false_alarms: int, found: dict[tuple[str, float], "Finding | None"], tried: list[float]) -> str:
    told = (f"{sum(found[n, share] is not None for n in CORRUPTIONS)} at {share:.0%}" for share in tried)
    return f"{false_alarms} false alarms; of {len(CORRUPTIONS)} injected drifts found: {', '.join(told)}."


def _shares(text: str) -> list[float]:
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or not all(0 < share <= 1 for share in found):
        raise UserError(f"--shares: {text!r} is not a list such as {SHARES}; each must lie between 0 and 1.")
    return found


def _watch(frame: pd.DataFrame, batch: int, rule: drift.DriftRule, rows: int) -> Finding | None:
    log.info("replaying batch %s", batch)
    return replay(drift.Binning(frame[frame["batch_id"] < batch]), frame[frame["batch_id"] == batch], rule, rows)


def replay(bins: drift.Binning, window: pd.DataFrame, rule: drift.DriftRule, rows: int) -> Finding | None:
    """Watch one batch window by window against what came before it; return the first alarm."""
    seen: list[list[drift.ColumnDrift]] = []
    for positions in np.array_split(np.arange(len(window)), max(rule.windows, len(window) // rows)):
        seen.append(drift.compare(bins, window.iloc[positions]))
        if columns := drift.alarm(seen, rule):
            return Finding(int(positions[-1]) + 1, columns)
    return None
