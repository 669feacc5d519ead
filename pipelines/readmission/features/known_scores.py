"""Scores that clinicians know, as far as the data has their inputs: LACE, HOSPITAL, and inpatient stays alone.

LACE and HOSPITAL are approximations here, and whoever shows them shows their `limits` beside them.

References:
    LACE: van Walraven et al. 2010, doi:10.1503/cmaj.091117, with its weights of the Charlson index.
    HOSPITAL: Donzé et al. 2016, doi:10.1001/jamainternmed.2015.8462.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from readmission import contract
from readmission.features import icd9

Value = str | int | float | None


class KnownScore(NamedTuple):
    """Description of a score.

    Attributes:
        label: Name for a person.
        maximum: Largest value that the data allows; None if there is none.
        limits: What the data lacks, in words.
    """

    label: str
    maximum: int | None
    limits: str


#: Every score by its key.
SCORES: Mapping[str, KnownScore] = {
    "lace": KnownScore(
        "LACE",
        19,
        "Approximation: comorbidity from three diagnoses instead of all, emergency visits of a year instead of six "
        "months.",
    ),
    "hospital": KnownScore(
        "HOSPITAL",
        9,
        "Approximation: without haemoglobin, sodium and discharge from oncology, which the data does not have; 9 of 13 "
        "points can be reached.",
    ),
    "inpatient_stays": KnownScore("Inpatient stays of the year before", None, "A single column of the data."),
}

#: Columns that the scores read.
INPUTS = (
    "time_in_hospital",
    "number_inpatient",
    "number_emergency",
    "admission_type_id",
    "num_procedures",
    *contract.DIAGNOSES,
)

#: Weights of the Charlson index as LACE has them, by comorbidity group; a total of 4 or more counts as 5.
_LACE_WEIGHTS: Mapping[str, int] = {
    "myocardial_infarction": 1,
    "cerebrovascular": 1,
    "peripheral_vascular": 1,
    "heart_failure": 2,
    "chronic_pulmonary": 2,
    "liver": 2,
    "cancer": 2,
    "dementia": 3,
    "rheumatic": 3,
    "renal_failure": 4,
    "metastatic": 6,
}
_POSITIONS = {name: icd9.FLAG_NAMES.index(name) for name in (*_LACE_WEIGHTS, "diabetes_complicated")}
#: Admission types that are not planned: emergency, urgent, trauma center (IDS_mapping.csv).
_ACUTE = frozenset({1, 2, 7})


def known_scores(encounter: Mapping[str, Value]) -> dict[str, int]:
    """Return every score of one encounter.

    Args:
        encounter: Values by column name, with diagnoses in ICD-9-CM. An absent or missing value adds no points, as if
            the patient did not have it.

    Returns:
        Points by key of SCORES; higher is riskier.
    """
    days = _number(encounter, "time_in_hospital")
    stays = _number(encounter, "number_inpatient")
    emergencies = _number(encounter, "number_emergency")
    acute = _number(encounter, "admission_type_id") in _ACUTE
    lace = _length_of_stay(days) + 3 * acute + _comorbidity(encounter) + min(emergencies, 4)
    procedure = _number(encounter, "num_procedures") > 0
    hospital = procedure + acute + 2 * (days >= 5) + (0 if stays <= 1 else 2 if stays <= 5 else 5)
    return {"lace": lace, "hospital": hospital, "inpatient_stays": stays}


def _number(encounter: Mapping[str, Value], column: str) -> int:
    value = encounter.get(column)
    return 0 if value is None or value != value else int(value)


def _length_of_stay(days: int) -> int:
    """Return LACE's points of a stay."""
    return days if days <= 3 else 4 if days <= 6 else 5 if days <= 13 else 7


def _comorbidity(encounter: Mapping[str, Value]) -> int:
    """Return LACE's points of the diagnoses."""
    codes = (encounter.get(name) for name in contract.DIAGNOSES)
    present = frozenset[str]().union(*(_groups(code) for code in codes if isinstance(code, str)))
    diabetes = 2 if "diabetes_complicated" in present else int("diabetes" in present)
    total = sum(_LACE_WEIGHTS.get(name, 0) for name in present) + diabetes
    return total if total < 4 else 5


@lru_cache(maxsize=4096)
def _groups(code: str) -> frozenset[str]:
    """Return the comorbidity groups of one code, and `diabetes` for any form of it; none if it is not known."""
    if code == contract.MISSING_TOKEN:
        return frozenset()
    parsed = icd9.parse(code)
    groups = {name for name, position in _POSITIONS.items() if parsed.flags[position]}
    return frozenset(groups | {"diabetes"} if 250 <= parsed.number < 251 else groups)
