"""The patients of a simulated year and the files that tell of them. Pure: the same rows and seed give the same bytes.

The encounters have no dates, but their ids rise with time. They are spread evenly over the year in that order. An
outcome is unknown at discharge. A readmission is known when the patient returns. After thirty days without one the
outcome is NO, until a patient returns later: to leave it unknown until then would teach from a choice of the patients.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import numpy as np
import pandas as pd

from bench.year.scenario import DRIFTED, START, WEEK, Scenario, week_of
from readmission import contract
from readmission.contract import codes
from readmission.data.sources import SYNTHETIC_MARK

#: Days from discharge to the moment at which a first outcome is known, and a late readmission: at least, at most.
_KNOWN_AFTER = {"<30": (1.0, 29.5), ">30": (30.0, 30.9), "NO": (30.0, 30.9)}
_LATE_AFTER = (31.0, 75.0)
#: Outcomes that are corrected, and how long after they were known.
_CORRECTIONS, _CORRECTED_AFTER = 40, timedelta(days=7)
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_NONE, _LATE, _EVENT = contract.CLASSES


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One file of the hospital.

    Attributes:
        name: Name of the file.
        content: CSV of the contract, with the times.
        rows: Number of its rows.
        refused: Whether the contract must refuse all of it.
        note: What is special about it; empty for most.
    """

    name: str
    content: bytes
    rows: int
    refused: bool = False
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Period:
    """Time between two deliveries.

    Attributes:
        number: From 1.
        begin, end: The moments that it covers; the delivery is made at its end.
        deliveries: Files, in the order in which they come.
    """

    number: int
    begin: datetime
    end: datetime
    deliveries: Sequence[Delivery]

    @property
    def week(self) -> int:
        """Return the week in which it lies."""
        return week_of(self.begin)


class Plan:
    """A year's encounters, with everything that will be known of them.

    Args:
        rows: Text of the real encounters, columns `contract.COLUMN_NAMES`.
        scenario: Calendar and events.
        seed: Of every draw.
        synthetic: Whether the rows are invented; the files then say so.
    """

    def __init__(self, rows: pd.DataFrame, scenario: Scenario, seed: int, *, synthetic: bool = False) -> None:
        self.scenario = scenario
        self.stays = spread(rows, scenario, seed)
        self._mark = SYNTHETIC_MARK + b"\n" if synthetic else b""

    @cached_property
    def periods(self) -> list[Period]:
        """Return the times between deliveries with their files."""
        files = deliveries(self.stays, self.scenario, self._mark)
        return [
            Period(number=number, begin=begin, end=end, deliveries=files[number])
            for number, begin, end in spans(self.scenario)
        ]

    @property
    def sha256(self) -> str:
        """Return a hash of every file in its order."""
        digest = hashlib.sha256()
        for period in self.periods:
            for delivery in period.deliveries:
                digest.update(f"{period.number} {delivery.name}\n".encode() + delivery.content)
        return digest.hexdigest()

    def discharged(self, begin: datetime, end: datetime) -> pd.DataFrame:
        """Return the encounters that end in a span of time."""
        return _within(self.stays, "discharged_at", begin, end)

    def known(self, begin: datetime, end: datetime) -> pd.DataFrame:
        """Return the encounters whose outcome becomes known, or is corrected, in a span of time.

        Returns:
            Columns encounter_id, outcome and at.
        """
        parts = []
        for column in ("outcome_at", "late_at", "corrected_at"):
            stays = _within(self.stays, column, begin, end)
            parts.append(stays[["encounter_id"]].assign(outcome=outcomes(stays, column), at=stays[column]))
        return pd.concat(parts)


def spans(scenario: Scenario) -> Iterator[tuple[int, datetime, datetime]]:
    """Yield number, begin and end of each period."""
    step = timedelta(days=scenario.days)
    for number in range(1, scenario.weeks * 7 // scenario.days + 1):
        yield number, START + (number - 1) * step, START + number * step


def spread(rows: pd.DataFrame, scenario: Scenario, seed: int) -> pd.DataFrame:
    """Give every encounter its discharge and the moment at which its outcome is known, and let patients drift.

    Returns:
        The rows by time, with columns discharged_at, outcome_at, late_at and corrected_at, in whole seconds; the last
        two are NaT for most.
    """
    rng = np.random.default_rng(seed)
    order = np.argsort(rows["encounter_id"].astype(np.int64).to_numpy(), kind="stable")
    taken = order[: scenario.encounters or None]
    stays = rows[list(contract.COLUMN_NAMES)].iloc[taken].reset_index(drop=True)
    share = (np.arange(len(stays)) + 0.5) / len(stays)
    discharged = pd.Timestamp(START) + _seconds(share * (scenario.weeks * WEEK).total_seconds())
    low, high = (stays[contract.TARGET].map({k: v[i] for k, v in _KNOWN_AFTER.items()}).to_numpy() for i in (0, 1))
    first = discharged + _seconds((low + (high - low) * rng.random(len(stays))) * 86_400)
    late = discharged + _seconds(rng.uniform(*_LATE_AFTER, len(stays)) * 86_400)
    stays = stays.assign(discharged_at=discharged, outcome_at=first, late_at=late)
    stays["late_at"] = stays["late_at"].where(stays[contract.TARGET] == _LATE)
    stays["corrected_at"] = _corrected(stays, scenario, rng)
    after = stays["discharged_at"] >= pd.Timestamp(scenario.drift_from)
    stays.loc[after, list(DRIFTED)] = drifted(stays[after])
    return stays


def outcomes(stays: pd.DataFrame, column: str) -> "pd.Series[str]":
    """Return what a hospital says of encounters at a moment.

    Args:
        stays: Encounters.
        column: Which moment: discharged_at, outcome_at, late_at or corrected_at.
    """
    if column == "outcome_at":
        return stays[contract.TARGET].replace(_LATE, _NONE)
    text = {"discharged_at": contract.MISSING_TOKEN, "late_at": _LATE, "corrected_at": _EVENT}[column]
    return pd.Series(text, stays.index, dtype="str")


def drifted(stays: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of DRIFTED as another clinic states them: older, half days for days, doses for medications."""
    last = len(codes.AGES) - 1
    older = {level: codes.AGES[min(i + 2, last)] for i, level in enumerate(codes.AGES)}
    return pd.DataFrame(
        {
            "age": stays["age"].map(older),
            "num_medications": (stays["num_medications"].astype(int) * 2).clip(upper=150).astype(str),
            "time_in_hospital": (stays["time_in_hospital"].astype(int) * 2).clip(upper=14).astype(str),
        }
    )


def _corrected(stays: pd.DataFrame, scenario: Scenario, rng: np.random.Generator) -> "pd.Series[pd.Timestamp]":
    """Return when outcomes that nobody had come back are corrected, in one week: elsewhere, the patient had."""
    begin = pd.Timestamp(START + (scenario.corrected - 1) * WEEK)
    # After a death nobody comes back.
    alive = ~stays["discharge_disposition_id"].isin([str(code) for code in contract.EXCLUDED_DISPOSITIONS])
    old = (stays["outcome_at"] + _CORRECTED_AFTER <= begin) & (stays[contract.TARGET] == _NONE) & alive
    chosen = rng.permutation(stays.index[old])[:_CORRECTIONS]
    times = begin + _seconds(np.sort(rng.random(len(chosen))) * WEEK.total_seconds())
    return pd.Series(times, index=chosen).reindex(stays.index)


def _seconds(values: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> pd.TimedeltaIndex:
    return pd.to_timedelta(np.floor(values), unit="s")


def _within(stays: pd.DataFrame, column: str, begin: datetime, end: datetime) -> pd.DataFrame:
    return stays[(stays[column] >= pd.Timestamp(begin)) & (stays[column] < pd.Timestamp(end))]


def deliveries(stays: pd.DataFrame, scenario: Scenario, mark: bytes) -> Mapping[int, Sequence[Delivery]]:
    """Return the files by the period at whose end they come; each begins with the mark."""
    files: dict[int, list[Delivery]] = {number: [] for number, _, _ in spans(scenario)}
    last = max(files)
    for number, begin, end in spans(scenario):
        week, first_of_week = week_of(begin), begin == START + (week_of(begin) - 1) * WEEK
        table = _table(stays, begin, end)
        delivery = _file(f"{begin:%Y-%m-%d}", table, mark)
        if week == scenario.quarantine and first_of_week:
            broken = _file(f"{begin:%Y-%m-%d}-broken", table.assign(num_lab_procedures="n/a"), mark, refused=True)
            files[number].append(broken)
        files[min(_arrival(number, week, scenario), last)].append(delivery)
        if first_of_week and week == scenario.twice:
            files[number].append(_again(delivery, "to the letter", delivery.content))
        if first_of_week and week == scenario.line_ends:
            files[number].append(_again(delivery, "with other line ends", delivery.content.replace(b"\n", b"\r\n")))
    return files


def _arrival(number: int, week: int, scenario: Scenario) -> int:
    """Return the period at whose end a period's delivery comes."""
    per_week = 7 // scenario.days
    if week == scenario.late[0]:
        return number + (scenario.late[1] - scenario.late[0]) * per_week
    if scenario.silent[0] <= week <= scenario.silent[1]:
        return scenario.silent[1] * per_week + 1
    return number


def _table(stays: pd.DataFrame, begin: datetime, end: datetime) -> pd.DataFrame:
    """Return what a delivery tells: new encounters without an outcome, and outcomes of earlier ones."""
    moments = ("discharged_at", "outcome_at", "late_at", "corrected_at")
    return pd.concat([_part(_within(stays, column, begin, end), column) for column in moments], ignore_index=True)


def _part(stays: pd.DataFrame, known_at: str) -> pd.DataFrame:
    table = stays[list(contract.COLUMN_NAMES)].assign(**{contract.TARGET: outcomes(stays, known_at)})
    times = {"discharged_at": stays["discharged_at"], "known_at": stays[known_at]}
    return table.assign(**{name: values.dt.strftime(_TIME) for name, values in times.items()})


def _file(name: str, table: pd.DataFrame, mark: bytes, *, refused: bool = False) -> Delivery:
    content = mark + table.to_csv(index=False, lineterminator="\n").encode()
    note = "a broken export" if refused else ""
    return Delivery(name=f"{name}.csv", content=content, rows=len(table), refused=refused, note=note)


def _again(delivery: Delivery, how: str, content: bytes) -> Delivery:
    name = delivery.name.replace(".csv", f"-again-{how.split()[-1]}.csv")
    return Delivery(name=name, content=content, rows=delivery.rows, note=f"delivered again {how}")
