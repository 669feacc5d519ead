"""Add to a typed frame what each patient's earlier encounters say (`visits` has the rule). Pure."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from readmission import contract
from readmission.features import icd9, visits
from readmission.features.encoding import Feature
from readmission.features.icd9 import Grain
from readmission.features.visits import Visits

#: A first visit: nothing counted, the rest unknown.
HISTORY_FEATURES: tuple[Feature, ...] = tuple(
    Feature(name, "history", name, absent=absent)
    for name, absent in zip(visits.HISTORY_NAMES, visits.NONE, strict=True)
)
#: Columns of an encounter that later ones see, as `visits.ROW` has them; the chapter comes after them.
_SMALL = ("time_in_hospital", "num_medications", "number_inpatient", "number_diagnoses", "discharge_disposition_id")
_ROW = np.dtype([("encounter", "=i8"), ("code", "=f8"), ("final", "?"), ("small", "u1", (len(_SMALL) + 1,))])
_SEEN = np.dtype([("patient", "=i8"), ("visit", _ROW), ("arrived", "=f8")])
#: Columns that `seen` reads.
VISIT_COLUMNS = (*contract.IDENTIFIERS, "diag_1", contract.TARGET, *_SMALL)
#: Columns of a frame with discharge dates: when the patient left, and when the encounter was first known.
TIMES = ("discharged_at", "arrived_at")


def pack(frame: pd.DataFrame) -> bytes:
    """Return the table of the visits of every patient, as `Visits` reads it.

    Args:
        frame: Typed frame with identifiers and outcome.
    """
    return join([seen(frame)])


def seen(frame: pd.DataFrame) -> npt.NDArray[np.void]:
    """Return what later encounters see of each row, 49 bytes a row; parts of the data are put together by `join`.

    Args:
        frame: Typed frame with VISIT_COLUMNS and, if it has dates, TIMES.
    """
    chapters, codes = _codes(frame)
    rows = np.zeros(len(frame), dtype=_SEEN)
    rows["patient"] = frame["patient_nbr"]
    visit = rows["visit"]
    visit["encounter"], visit["code"] = frame["encounter_id"], codes
    rows["arrived"] = np.where(np.isnan(_seconds(frame, "discharged_at")), np.nan, _seconds(frame, "arrived_at"))
    visit["final"] = (frame[contract.TARGET] == "NO") & np.isnan(rows["arrived"])
    small = [*(frame[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in _SMALL), chapters]
    visit["small"] = np.nan_to_num(np.column_stack(small), nan=visits.MISSING_BYTE)
    return rows


def join(parts: Sequence[npt.NDArray[np.void]]) -> bytes:
    """Return the table of the visits of every patient from what `seen` gave of each part of the data."""
    rows = np.concatenate(parts)
    rows = rows[np.lexsort((rows["visit"]["encounter"], rows["patient"]))]
    patients, starts = np.unique(rows["patient"], return_index=True)
    table = rows["visit"]
    newest = int(table["encounter"].max(initial=0))
    dated = not np.isnan(rows["arrived"]).all()
    head = visits.HEAD.pack(visits.DATED_MAGIC if dated else visits.MAGIC, len(patients), len(rows), newest)
    if dated:
        table = np.zeros(len(rows), np.dtype([*((name, _ROW[name]) for name in _ROW.names or ()), ("arrived", "=f8")]))
        for name in _ROW.names or ():
            table[name] = rows["visit"][name]
        table["arrived"] = rows["arrived"]
    bounds = np.append(starts, len(rows)).astype(np.uint32)
    return b"".join((head, patients.tobytes(), bounds.tobytes(), table.tobytes()))


def add(frame: pd.DataFrame, table: Visits | None = None, grain: Grain = "three digits") -> pd.DataFrame:
    """Add the history columns to a typed frame.

    Args:
        frame: Typed frame with patient_nbr and, unless its rows are newer than the table, encounter_id.
        table: Table to look earlier encounters up in. If omitted, they are taken from `frame`, which must then
            contain the outcome and every encounter of its patients that may count.
        grain: What the numbers of the diagnoses are read from; those of the table are read already.

    Returns:
        A new frame with the same rows in the same order and the columns `visits.HISTORY_NAMES`. A frame that has
        them already, or that has no patient_nbr, is returned as it is.
    """
    if "patient_nbr" not in frame or visits.HISTORY_NAMES[0] in frame:
        return frame
    past = _look_up(frame, table or Visits(pack(frame)), grain)
    return frame.assign(**{name: past[:, i] for i, name in enumerate(visits.HISTORY_NAMES)})


def _look_up(frame: pd.DataFrame, table: Visits, grain: Grain) -> npt.NDArray[np.float64]:
    patients = frame["patient_nbr"].to_numpy()
    encounters = frame["encounter_id"].to_numpy() if "encounter_id" in frame else np.full(len(frame), np.inf)
    past = np.tile(np.array(visits.NONE), (len(frame), 1))
    again = table.revisits(patients.tolist(), encounters.tolist())
    if len(again):
        inpatient = frame["number_inpatient"].to_numpy() if "number_inpatient" in frame else np.full(len(frame), np.nan)
        asked = np.nan_to_num(_seconds(frame, "discharged_at"), nan=np.inf)
        columns = (patients, encounters, inpatient, *_codes(frame, grain), asked)
        past[again] = [table.summarise(*row) for row in zip(*(c[again].tolist() for c in columns), strict=True)]
    return past


def _seconds(frame: pd.DataFrame, name: str) -> npt.NDArray[np.float64]:
    """Return a column of moments in seconds since 1970, NaN where unknown or absent."""
    if name not in frame:
        return np.full(len(frame), np.nan)
    moments = frame[name]
    seconds: pd.Series = (moments - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)
    numbers: npt.NDArray[np.float64] = seconds.to_numpy(np.float64, na_value=np.nan)
    return numbers


def _codes(
    frame: pd.DataFrame, grain: Grain = "three digits"
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return chapter and number of each row's primary diagnosis."""
    if "diag_1" not in frame:
        return np.full(len(frame), np.nan), np.full(len(frame), np.nan)
    positions, distinct = pd.factorize(frame["diag_1"])
    # factorize gives -1 to missing: the last row.
    codes = [*(icd9.parse(code, grain) for code in distinct), icd9.UNKNOWN_CODE]
    read = np.array([(code.chapter, code.number) for code in codes])
    return read[positions, 0], read[positions, 1]
