"""Prove the drift rule on the data at hand: silent on the batches as they came, loud on corrupted copies."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from readmission import codes, drift, stores
from readmission.errors import UserError
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


CORRUPTIONS: dict[str, Corruption] = {
    "age shifted by two decades": older,
    "laboratory results missing": no_labs,
    "units changed": other_units,
}


@dataclass(frozen=True)
class Finding:
    """Hold one alarm.

    Attributes:
        batch: in which batch it was raised.
        rows: encounters of that batch seen until then.
        columns: that made it.
    """

    batch: int
    rows: int
    columns: list[str]


def run(
    settings: Settings,
    *,
    share: Annotated[float, typer.Option(min=0.01, max=1.0, help="Share of the encounters that are corrupted.")] = 1.0,
) -> None:
    """Replay the clean batches, each against all before it, as they are and with injected drift; print what was found.

    Nothing is written. The drift begins in the middle of the batches. Exits with 1 on a false alarm, or when a
    corruption of all encounters is not found.

    Raises:
        UserError: there are fewer than two clean batches.
    """
    frame, _, batches = stores.snapshot(settings, role="monitor")
    if len(batches) < 2:
        raise UserError("Two clean batches are needed, one to compare with: run `readmission ingest` and `process`.")
    rule = drift.Rule(
        settings.drift_psi, settings.drift_psi_large, settings.drift_columns, settings.drift_windows,
        settings.drift_minimum_rows,
    )  # fmt: skip
    rng = np.random.default_rng(settings.seed)
    hit = pd.Series(rng.random(len(frame)) < share, frame.index)
    first = batches[max(1, len(batches) // 2)]
    typer.echo(
        f"Rule: {rule.columns} clinical columns at PSI {rule.moderate} or one at {rule.large}, in {rule.windows} "
        f"windows of {settings.drift_window_rows} encounters in a row."
    )
    calm = replay(frame, batches[1:], rule, settings.drift_window_rows)
    typer.echo(f"{'real order, batches ' + f'{batches[1]}–{batches[-1]}':<44} {len(calm)} false alarms")
    missed = 0
    for name, corrupt in CORRUPTIONS.items():
        dirty = frame.copy()
        rows = hit & (frame["batch_id"] >= first)
        dirty.loc[rows] = corrupt(frame.loc[rows])
        found = replay(dirty, [first], rule, settings.drift_window_rows)
        missed += not found
        told = f"found after {found[0].rows} encounters ({', '.join(found[0].columns)})" if found else "NOT FOUND"
        typer.echo(f"{f'{name}, {share:.0%}, from batch {first}':<44} {told}")
    typer.echo(f"{len(calm)} false alarms, {len(CORRUPTIONS) - missed} of {len(CORRUPTIONS)} injected drifts found.")
    if calm or (missed and share == 1.0):
        raise typer.Exit(1)


def replay(frame: pd.DataFrame, batches: list[int], rule: drift.Rule, rows: int) -> list[Finding]:
    """Watch batches window by window, each against all before it; return the first alarm of each batch."""
    findings = []
    for batch in batches:
        log.info("replaying batch %s", batch)
        window = frame[frame["batch_id"] == batch]
        bins = drift.Binning(frame[frame["batch_id"] < batch])
        count = max(rule.windows, len(window) // rows)
        seen: list[list[drift.ColumnDrift]] = []
        for positions in np.array_split(np.arange(len(window)), count):
            seen.append(drift.compare(bins, window.iloc[positions]))
            if columns := drift.alarm(seen, rule):
                findings.append(Finding(batch, int(positions[-1]) + 1, columns))
                break
    return findings
