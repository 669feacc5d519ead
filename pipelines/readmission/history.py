"""Add to a typed frame what each patient's earlier encounters say (`visits` has the rule). Pure."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from readmission import contract, icd9, visits
from readmission.features import Feature
from readmission.visits import Visit, Visits

#: A first visit: nothing counted, the rest unknown.
FEATURES: tuple[Feature, ...] = tuple(
    Feature(name, "history", name, absent=absent) for name, absent in zip(visits.NAMES, visits.NONE, strict=True)
)


def of(frame: pd.DataFrame) -> dict[int, list[Visit]]:
    """Return the visits of every patient of a typed frame with identifiers and outcome, by rising encounter."""
    rows = frame.sort_values("encounter_id", kind="stable")
    numbers = (
        rows[name].to_numpy(dtype=np.float64, na_value=np.nan).tolist()
        for name in (
            "time_in_hospital", "num_medications", "number_inpatient", "number_diagnoses", "discharge_disposition_id"
        )
    )  # fmt: skip
    final = (rows[contract.TARGET] == "NO").tolist()
    found: dict[int, list[Visit]] = {}
    columns = (rows["encounter_id"].tolist(), final, *numbers, *zip(*_codes(rows), strict=True))
    for patient, *values in zip(rows["patient_nbr"].tolist(), *columns, strict=True):
        found.setdefault(patient, []).append(Visit(*values))
    return found


def add(frame: pd.DataFrame, known: Visits | None = None) -> pd.DataFrame:
    """Add the history columns to a typed frame.

    Args:
        frame: typed frame; with patient_nbr and, unless its rows are newer than what is known, encounter_id.
        known: where earlier encounters are looked up; None: the frame itself, which then holds the outcome and
            every encounter of its patients that may count.

    Returns:
        a new frame with the same rows in the same order and the columns `visits.NAMES`; a frame that has them
        already, or without patient_nbr, as it is.
    """
    if "patient_nbr" not in frame or visits.NAMES[0] in frame:
        return frame
    found = np.array(list(_rows(frame, known)), dtype=np.float64).reshape(len(frame), len(visits.NAMES))
    return frame.assign(**{name: found[:, i] for i, name in enumerate(visits.NAMES)})


def _rows(frame: pd.DataFrame, known: Visits | None) -> Iterator[tuple[float, ...]]:
    itself = of(frame) if known is None else {}
    newest = known.newest if known else frame["encounter_id"].max()
    encounters = frame["encounter_id"].tolist() if "encounter_id" in frame else [np.inf] * len(frame)
    inpatient = frame["number_inpatient"].tolist() if "number_inpatient" in frame else [np.nan] * len(frame)
    patients = frame["patient_nbr"].tolist()
    for patient, encounter, stays, code in zip(patients, encounters, inpatient, _codes(frame), strict=True):
        earlier = known.of(patient) if known else itself[patient]
        yield visits.summarise(earlier, newest, encounter, stays, *code) if earlier else visits.NONE


def _codes(frame: pd.DataFrame) -> list[tuple[float, float]]:
    """Return chapter and number of each row's primary diagnosis."""
    if "diag_1" not in frame:
        return [(np.nan, np.nan)] * len(frame)
    positions, distinct = pd.factorize(frame["diag_1"])
    table = [*((c.chapter, c.number) for c in map(icd9.parse, distinct)), (icd9.UNKNOWN.chapter, icd9.UNKNOWN.number)]
    return [table[i] for i in positions.tolist()]
