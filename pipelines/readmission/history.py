"""What a patient's earlier encounters say, without looking into the future. Pure.

`encounter_id` is the only order there is, and not always right: some encounters labelled NO ("never
readmitted") have a "later" one of the same patient. There the ids run backwards, and a model that sees such a
row as history sees the future. Hence the strict rule:

1. an earlier row labelled NO is never history (of a patient who comes again it cannot be true);
2. a row's history is blanked where it shows that the ids run backwards: within about half a year of the last
   earlier row (SMALL_GAP), `number_inpatient`, the stays of the year before, is 0 or below that row's.

Gaps between ids are used for this rule alone, never as a feature: they extrapolate badly forward in time.
"""

import numpy as np
import pandas as pd

from readmission import contract, icd9
from readmission.features import Feature

#: About half a year of encounter ids: 444 million ids in ten years.
SMALL_GAP = 22_000_000

#: Absent or first visit: nothing counted, the rest unknown.
FEATURES: tuple[Feature, ...] = (
    Feature("history_count", "number", "history_count", absent=0.0),
    Feature("history_days_sum", "number", "history_days_sum", absent=0.0),
    *(
        Feature(name, "number", name)
        for name in (
            "history_days_last",
            "history_medications_last",
            "history_inpatient_last",
            "history_inpatient_max",
            "history_inpatient_change",
            "history_diagnoses_mean",
            "history_disposition_last",
            "history_chapter_last",
            "history_same_chapter",
            "history_same_code",
        )
    ),
)


def add(frame: pd.DataFrame) -> pd.DataFrame:
    """Add the history columns to a typed frame.

    Args:
        frame: typed frame with encounter_id, patient_nbr and readmitted; every encounter of the patients that
            may count as history must be in it.

    Returns:
        a new frame with the same rows in the same order; rows without history have `history_count` 0 and NaN
        in the columns that are about an earlier row.
    """
    rows = frame.sort_values(["patient_nbr", "encounter_id"], kind="stable")
    patient = rows["patient_nbr"]
    counts = (rows[contract.TARGET] != "NO").astype(float)
    found = pd.DataFrame(index=rows.index)

    def before(values: pd.Series) -> pd.Series:
        """Return the sum over the patient's earlier rows that count."""
        kept = (values * counts).fillna(0.0)
        return kept.groupby(patient).cumsum() - kept

    def last(values: pd.Series) -> pd.Series:
        """Return the value of the latest earlier row that counts."""
        return values.where(counts > 0).groupby(patient).shift().groupby(patient).ffill()

    chapter = rows["diag_1"].map(lambda code: icd9.parse(code).chapter, na_action="ignore").astype("float64")
    code = pd.Series(pd.factorize(rows["diag_1"])[0], index=rows.index).astype("float64").replace(-1, np.nan)
    inpatient = rows["number_inpatient"]
    found["history_count"] = before(pd.Series(1.0, index=rows.index))
    found["history_days_sum"] = before(rows["time_in_hospital"])
    found["history_days_last"] = last(rows["time_in_hospital"])
    found["history_medications_last"] = last(rows["num_medications"])
    found["history_inpatient_last"] = last(inpatient)
    highest = inpatient.where(counts > 0).fillna(-1.0).groupby(patient).cummax().groupby(patient).shift()
    found["history_inpatient_max"] = highest.where(highest >= 0)
    found["history_inpatient_change"] = inpatient - found["history_inpatient_last"]
    found["history_diagnoses_mean"] = before(rows["number_diagnoses"]) / found["history_count"].replace(0, np.nan)
    found["history_disposition_last"] = last(rows["discharge_disposition_id"])
    found["history_chapter_last"] = last(chapter)
    found["history_same_chapter"] = _same(chapter, found["history_chapter_last"])
    found["history_same_code"] = _same(code, last(code))
    gap = rows["encounter_id"] - last(rows["encounter_id"].astype("float64"))
    backwards = (gap < SMALL_GAP) & ((inpatient == 0) | (found["history_inpatient_change"] < 0))
    blank = backwards | (found["history_count"] == 0)
    found.loc[blank] = np.nan
    found.loc[blank, ["history_count", "history_days_sum"]] = 0.0
    return frame.join(found)


def _same(now: pd.Series, then: pd.Series) -> pd.Series:
    return (now == then).astype(float).where(now.notna() & then.notna())
