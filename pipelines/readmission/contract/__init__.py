"""The data contract: every raw column, what it may hold, what missing means.

The single source for validation at ingest, the API's schema and errors, the UI's form and the
load test's payloads. Levels and ranges are those of the UCI data set "Diabetes 130-US hospitals
for years 1999-2008" (Strack et al. 2014, doi:10.1155/2014/781670).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from readmission.contract import codes

#: Raise it when a column, level, range or meaning changes: a model serves only its own version.
CONTRACT_VERSION = 1

#: The token of the raw file that means "not known".
UNKNOWN = "?"

#: ICD-9-CM as it stands in the file: 250.83, V27, E878.
ICD9_PATTERN = r"(?:[0-9]{1,3}(?:\.[0-9]{1,2})?|V[0-9]{1,2}(?:\.[0-9]{1,2})?|E[0-9]{3}(?:\.[0-9])?)"
_ICD9 = re.compile(ICD9_PATTERN)

TARGET = "readmitted"
#: The classes, in the order of every probability vector of this system.
CLASSES = ("NO", ">30", "<30")
#: Position in CLASSES of the event that matters: readmission within 30 days.
EARLY = CLASSES.index("<30")

Kind = Literal["identifier", "integer", "coded", "level", "icd9"]
Group = Literal["identifiers", "patient", "stay", "diagnoses", "labs", "drugs", "outcome"]


@dataclass(frozen=True, slots=True)
class Column:
    """Describe one raw column.

    Attributes:
        name: the data set's own column name.
        label: the name for a person.
        group: where it stands in a clinician's form.
        kind: ``identifier`` (positive integer), ``integer`` (minimum..maximum), ``coded`` (integer
            of a closed list, with descriptions), ``level`` (text of a closed list) or ``icd9``.
        levels: the allowed values of ``level`` (text) and ``coded`` (digits), else empty.
        minimum, maximum: inclusive range of ``integer``.
        nullable: whether ``?`` (in a file) or null (in a request) may stand for "not known".
        required: whether a request must give it.
        assumed: what an absent optional column is taken to be; None means unknown.
        descriptions: words for a coded value.
        unit: unit of ``integer``, else empty.
        administrative: describes the hospital's paperwork rather than the patient: it drifts by
            itself and is left out of the drift trigger.
    """

    name: str
    label: str
    group: Group
    kind: Kind
    levels: tuple[str, ...] = ()
    minimum: int = 0
    maximum: int = 0
    nullable: bool = False
    required: bool = False
    assumed: str | None = None
    descriptions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    unit: str = ""
    administrative: bool = False

    @property
    def allowed(self) -> str:
        """Say in words what the column may hold, for error messages and documentation."""
        match self.kind:
            case "identifier":
                words = "a positive integer"
            case "integer":
                words = f"an integer from {self.minimum} to {self.maximum}"
            case "coded":
                words = "one of the integers " + ", ".join(self.levels)
            case "level":
                words = "one of " + ", ".join(repr(level) for level in self.levels)
            case "icd9":
                words = "an ICD-9 code such as '250.83', '428', 'V27' or 'E878'"
        return words + (f", or {UNKNOWN!r} for unknown" if self.nullable else "")

    def problem(self, text: str) -> str | None:
        """Judge one raw text value.

        Args:
            text: the value as it stands in a file; ``?`` means not known.

        Returns:
            None when the value is allowed, otherwise ``missing``, ``type``, ``range``, ``level``
            or ``pattern``.
        """
        if text in ("", UNKNOWN):
            return None if self.nullable and text else "missing"
        match self.kind:
            case "level":
                return None if text in self.levels else "level"
            case "icd9":
                return None if _ICD9.fullmatch(text) else "pattern"
        if not (text.isascii() and text.isdigit() and len(text) <= 18):
            return "type"
        if self.kind == "coded":
            return None if text in self.levels else "level"
        number = int(text)
        if str(number) != text:
            return "type"
        low, high = (1, 10**18) if self.kind == "identifier" else (self.minimum, self.maximum)
        return None if low <= number <= high else "range"


def _count(name: str, label: str, low: int, high: int, unit: str, *, required: bool) -> Column:
    return Column(name, label, "stay", "integer", minimum=low, maximum=high, unit=unit, required=required)


def _coded(name: str, label: str, descriptions: Mapping[str, str]) -> Column:
    return Column(
        name, label, "stay", "coded", tuple(descriptions), descriptions=descriptions,
        administrative=True,
    )  # fmt: skip


def _drug(name: str) -> Column:
    return Column(name, name.replace("-", " + ").capitalize(), "drugs", "level", codes.DOSES, assumed="No")


def _diagnosis(position: int, label: str) -> Column:
    return Column(f"diag_{position}", label, "diagnoses", "icd9", nullable=True)


#: Every column of the raw file, in the file's order.
COLUMNS: tuple[Column, ...] = (
    Column("encounter_id", "Encounter", "identifiers", "identifier"),
    Column("patient_nbr", "Patient number", "identifiers", "identifier"),
    Column("race", "Race", "patient", "level", codes.RACES, nullable=True),
    Column("gender", "Gender", "patient", "level", codes.GENDERS, required=True),
    Column("age", "Age", "patient", "level", codes.AGES, required=True, unit="years"),
    Column("weight", "Weight", "patient", "level", codes.WEIGHTS, nullable=True, unit="pounds"),
    _coded("admission_type_id", "Admission type", codes.ADMISSION_TYPES),
    _coded("discharge_disposition_id", "Discharged to", codes.DISPOSITIONS),
    _coded("admission_source_id", "Admitted from", codes.ADMISSION_SOURCES),
    _count("time_in_hospital", "Days in hospital", 1, 14, "days", required=True),
    Column(
        "payer_code", "Payer", "stay", "level", codes.PAYERS, nullable=True, administrative=True
    ),
    Column(
        "medical_specialty", "Specialty of the admitting physician", "stay", "level",
        codes.SPECIALTIES, nullable=True, administrative=True,
    ),
    _count("num_lab_procedures", "Lab tests", 0, 200, "tests", required=True),
    _count("num_procedures", "Procedures other than lab tests", 0, 20, "procedures", required=True),
    _count("num_medications", "Distinct medications", 0, 150, "medications", required=True),
    _count("number_outpatient", "Outpatient visits in the year before", 0, 200, "visits", required=False),
    _count("number_emergency", "Emergency visits in the year before", 0, 200, "visits", required=False),
    _count("number_inpatient", "Inpatient stays in the year before", 0, 100, "stays", required=False),
    _diagnosis(1, "Primary diagnosis"),
    _diagnosis(2, "Second diagnosis"),
    _diagnosis(3, "Third diagnosis"),
    Column(
        "number_diagnoses", "Diagnoses entered", "diagnoses", "integer", minimum=1, maximum=16,
        unit="diagnoses", required=True,
    ),
    Column(
        "max_glu_serum", "Glucose serum test", "labs", "level", codes.GLUCOSE, assumed="None", unit="mg/dl"
    ),
    Column("A1Cresult", "HbA1c test", "labs", "level", codes.A1C, assumed="None", unit="%"),
    *map(_drug, codes.DRUGS),
    Column("change", "Change of diabetes medication", "drugs", "level", ("No", "Ch")),
    Column("diabetesMed", "Diabetes medication prescribed", "drugs", "level", ("No", "Yes")),
    Column(TARGET, "Readmitted", "outcome", "level", CLASSES),
)  # fmt: skip

BY_NAME: Mapping[str, Column] = MappingProxyType({column.name: column for column in COLUMNS})
NAMES: tuple[str, ...] = tuple(BY_NAME)
IDENTIFIERS = ("encounter_id", "patient_nbr")
#: What a model sees of one encounter: everything but identifiers and outcome.
FEATURES: tuple[Column, ...] = tuple(c for c in COLUMNS if c.group not in ("identifiers", "outcome"))
FEATURE_NAMES: tuple[str, ...] = tuple(column.name for column in FEATURES)
#: What a request may carry: the features, and the identifiers as optional context.
REQUEST_COLUMNS: tuple[Column, ...] = tuple(c for c in COLUMNS if c.group != "outcome")
NUMERIC = tuple(c.name for c in FEATURES if c.kind == "integer")
CATEGORICAL = tuple(c.name for c in FEATURES if c.kind in ("level", "coded"))
DIAGNOSES = ("diag_1", "diag_2", "diag_3")

#: Discharges after which a readmission is impossible: death and hospice (IDS_mapping.csv).
EXCLUDED_DISPOSITIONS = frozenset({11, 13, 14, 19, 20, 21})

#: One complete request, with real-looking values; documentation, golden checks and tests use it.
EXAMPLE: Mapping[str, str | int] = MappingProxyType(
    {
        "race": "Caucasian", "gender": "Female", "age": "[70-80)",
        "admission_type_id": 1, "discharge_disposition_id": 3, "admission_source_id": 7,
        "time_in_hospital": 6, "medical_specialty": "InternalMedicine",
        "num_lab_procedures": 52, "num_procedures": 1, "num_medications": 18,
        "number_outpatient": 0, "number_emergency": 1, "number_inpatient": 2,
        "diag_1": "428", "diag_2": "250.02", "diag_3": "403", "number_diagnoses": 9,
        "max_glu_serum": "None", "A1Cresult": ">8",
        "metformin": "Steady", "insulin": "Up", "change": "Ch", "diabetesMed": "Yes",
    }
)  # fmt: skip


def most_probable(probabilities: Sequence[float]) -> str:
    """Return the class of the largest probability; of equal ones, the first in CLASSES.

    Args:
        probabilities: One per class, in the order of CLASSES.
    """
    return CLASSES[max(range(len(CLASSES)), key=probabilities.__getitem__)]


def feature_columns(group: Group) -> tuple[Column, ...]:
    """Return the features of one form group, in the file's order."""
    return tuple(column for column in FEATURES if column.group == group)
