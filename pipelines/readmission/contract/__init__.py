"""The data contract: every raw column, what it may hold, what missing means.

The single source for validation at ingest, the API's schema and errors, the UI's form and the
load test's payloads. Levels and ranges are those of the UCI data set "Diabetes 130-US hospitals
for years 1999-2008" (Strack et al. 2014, doi:10.1155/2014/781670). More than 250 lines, because a
reader finds every column in one table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import timedelta
from random import Random
from types import MappingProxyType
from typing import Literal

from readmission.contract import codes, icd
from readmission.contract.kinds import Coded, Dtype, Icd9, Identifier, Integer, Kind, Level, Moment, Value

#: Raise it when a column, level, range or meaning changes: a model serves only its own version.
CONTRACT_VERSION = 1

#: The token of the raw file that means "not known".
MISSING_TOKEN = "?"  # noqa: S105 - no password

TARGET = "readmitted"
#: The classes, in the order of every probability vector of this system.
CLASSES = ("NO", ">30", "<30")
#: Position in CLASSES of the event that matters: readmission within 30 days.
EARLY = CLASSES.index("<30")
#: Time after discharge in which a readmission counts as early; before it is over, no other outcome can be known.
HORIZON = timedelta(days=30)

Group = Literal["identifiers", "patient", "stay", "diagnoses", "labs", "drugs", "outcome", "times"]


@dataclass(frozen=True, slots=True)
class Column:
    """One raw column.

    A value is written in three ways: as text (in a file), as a number or text (in a request), and with the column's
    `dtype` (in the typed frame).

    Attributes:
        name: The data set's own column name.
        label: Name for a person.
        group: Section of a clinician's form.
        kind: What the column may hold. Only this class asks it; others use the members below.
        nullable: Whether ``?`` (in a file) or null (in a request) may stand for "not known".
        required: Whether a request must state a value.
        assumed: Text that an absent optional column stands for. If None, its value is unknown.
        unit: Unit of the values, else empty.
        administrative: Whether the column describes the hospital's paperwork rather than the patient. Such a column
            drifts on its own and never triggers a retraining.
    """

    name: str
    label: str
    group: Group
    kind: Kind
    _: KW_ONLY
    nullable: bool = False
    required: bool = False
    assumed: str | None = None
    unit: str = ""
    administrative: bool = False

    @property
    def levels(self) -> tuple[str, ...]:
        """The texts of a closed list (digits if the values are codes), else empty."""
        return self.kind.levels

    @property
    def descriptions(self) -> Mapping[str, str]:
        """The words for each level that is a code, else empty."""
        return self.kind.descriptions

    @property
    def minimum(self) -> int:
        """The smallest number of a range, else 0."""
        return self.kind.minimum

    @property
    def maximum(self) -> int:
        """The largest number of a range, else 0."""
        return self.kind.maximum

    @property
    def pattern(self) -> str:
        """The regular expression that a text must match as a whole, else empty."""
        return self.kind.pattern

    @property
    def dtype(self) -> Dtype:
        """The type of the column in the typed frame."""
        return self.kind.dtype

    @property
    def is_number(self) -> bool:
        """Whether a request states the value as a number; otherwise it is text."""
        return self.kind.is_number

    @property
    def is_text(self) -> bool:
        """Whether a request states the value as text; otherwise it is a number."""
        return not self.kind.is_number

    @property
    def violation(self) -> str:
        """The problem of a value that has the right type and is not allowed: ``level``, ``range`` or ``pattern``."""
        return self.kind.violation

    @property
    def allowed(self) -> str:
        """What the column may hold, in words for error messages and documentation."""
        return self.or_unknown(self.values_in_words)

    @property
    def values_in_words(self) -> str:
        """The values of the column's kind in words, without the token for "not known"."""
        return self.kind.allowed

    def or_unknown(self, allowed: str) -> str:
        """Add to what is allowed, in words, the token for "not known" if the column may hold it."""
        return allowed + (f", or {MISSING_TOKEN!r} for unknown" if self.nullable else "")

    def problem(self, text: str) -> str | None:
        """Judge one raw text value.

        Args:
            text: The value as a file states it; ``?`` means not known.

        Returns:
            None if the value is allowed, otherwise ``missing``, ``type``, ``range``, ``level`` or ``pattern``.
        """
        if text in ("", MISSING_TOKEN):
            return None if self.nullable and text else "missing"
        return self.kind.problem(text)

    def parse(self, text: str) -> Value | None:
        """Return the value of a text that `problem` accepts; None if it is not known (``?`` or empty)."""
        return None if text in ("", MISSING_TOKEN) else self.kind.parse(text)

    def text(self, value: Value | None) -> str:
        """Return the text of a value as a request states it; an absent one is what the contract assumes.

        Args:
            value: The value. None means that the request does not state it.
        """
        return str(value) if value is not None else self.assumed or MISSING_TOKEN

    def values(self) -> tuple[Value, ...]:
        """Return every legal value as a request states it, in order; empty if the values cannot be listed."""
        return self.kind.values()

    def draw(self, random: Random) -> Value:
        """Draw a legal value as a request states it, extreme ones included; never an unknown one."""
        return self.kind.draw(random)


def _count(name: str, label: str, low: int, high: int, unit: str, *, required: bool = False) -> Column:
    return Column(name, label, "stay", Integer(low, high), unit=unit, required=required)


def _coded(name: str, label: str, descriptions: Mapping[str, str]) -> Column:
    return Column(name, label, "stay", Coded(descriptions), administrative=True)


def _drug(name: str) -> Column:
    return Column(name, name.replace("-", " + ").capitalize(), "drugs", Level(codes.DOSES), assumed="No")


def _diagnosis(position: int, label: str) -> Column:
    return Column(f"diag_{position}", label, "diagnoses", Icd9(), nullable=True)


#: Every column of the raw file, in the file's order.
COLUMNS: tuple[Column, ...] = (
    Column("encounter_id", "Encounter", "identifiers", Identifier()),
    Column("patient_nbr", "Patient number", "identifiers", Identifier()),
    Column("race", "Race", "patient", Level(codes.RACES), nullable=True),
    Column("gender", "Gender", "patient", Level(codes.GENDERS), required=True),
    Column("age", "Age", "patient", Level(codes.AGES), required=True, unit="years"),
    Column("weight", "Weight", "patient", Level(codes.WEIGHTS), nullable=True, unit="pounds"),
    _coded("admission_type_id", "Admission type", codes.ADMISSION_TYPES),
    _coded("discharge_disposition_id", "Discharged to", codes.DISPOSITIONS),
    _coded("admission_source_id", "Admitted from", codes.ADMISSION_SOURCES),
    _count("time_in_hospital", "Days in hospital", 1, 14, "days", required=True),
    Column("payer_code", "Payer", "stay", Level(codes.PAYERS), nullable=True, administrative=True),
    Column(
        "medical_specialty",
        "Specialty of the admitting physician",
        "stay",
        Level(codes.SPECIALTIES),
        nullable=True,
        administrative=True,
    ),
    _count("num_lab_procedures", "Lab tests", 0, 200, "tests", required=True),
    _count("num_procedures", "Procedures other than lab tests", 0, 20, "procedures", required=True),
    _count("num_medications", "Distinct medications", 0, 150, "medications", required=True),
    _count("number_outpatient", "Outpatient visits in the year before", 0, 200, "visits"),
    _count("number_emergency", "Emergency visits in the year before", 0, 200, "visits"),
    _count("number_inpatient", "Inpatient stays in the year before", 0, 100, "stays"),
    _diagnosis(1, "Primary diagnosis"),
    _diagnosis(2, "Second diagnosis"),
    _diagnosis(3, "Third diagnosis"),
    Column(
        "number_diagnoses",
        "Diagnoses entered",
        "diagnoses",
        Integer(1, 16),
        unit="diagnoses",
        required=True,
    ),
    Column("max_glu_serum", "Glucose serum test", "labs", Level(codes.GLUCOSE), assumed="None", unit="mg/dl"),
    Column("A1Cresult", "HbA1c test", "labs", Level(codes.A1C), assumed="None", unit="%"),
    *map(_drug, codes.DRUGS),
    Column("change", "Change of diabetes medication", "drugs", Level(("No", "Ch"))),
    Column("diabetesMed", "Diabetes medication prescribed", "drugs", Level(("No", "Yes"))),
    Column(TARGET, "Readmitted", "outcome", Level(CLASSES), nullable=True),
)

BY_NAME: Mapping[str, Column] = MappingProxyType({column.name: column for column in COLUMNS})
COLUMN_NAMES: tuple[str, ...] = tuple(BY_NAME)
#: Columns that a file may have in addition: when the patient left, and when the row (its outcome above all) was known.
#: A model does not see them, and a request does not state them.
TIME_COLUMNS: tuple[Column, ...] = (
    Column("discharged_at", "Discharged", "times", Moment(), nullable=True),
    Column("known_at", "Known", "times", Moment(), nullable=True),
)
TIME_NAMES: tuple[str, ...] = tuple(column.name for column in TIME_COLUMNS)
IDENTIFIERS = ("encounter_id", "patient_nbr")
#: What a model sees of one encounter: everything but identifiers and outcome.
FEATURE_COLUMNS: tuple[Column, ...] = tuple(c for c in COLUMNS if c.group not in ("identifiers", "outcome"))
FEATURE_NAMES: tuple[str, ...] = tuple(column.name for column in FEATURE_COLUMNS)
#: What a request may carry: the features, and the identifiers as optional context.
REQUEST_COLUMNS: tuple[Column, ...] = tuple(c for c in COLUMNS if c.group != "outcome")
#: Features that count or measure: any number of a range.
NUMERIC = tuple(c.name for c in FEATURE_COLUMNS if c.is_number and not c.levels)
DIAGNOSES = ("diag_1", "diag_2", "diag_3")
#: The code system of a request's diagnoses. It is no column of the raw file, which has one system for all of its rows.
ICD = Column("icd", "Code system of the diagnoses", "diagnoses", Level(icd.SYSTEMS), assumed=icd.SYSTEMS[0])

#: Discharges after which a readmission is impossible: death and hospice (IDS_mapping.csv).
EXCLUDED_DISPOSITIONS = frozenset({11, 13, 14, 19, 20, 21})

#: Words that a JSON request may use for a level, by column; the answer notes what they were read as. Nothing else is
#: coerced.
ALIASES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "change": MappingProxyType({"yes": "Ch", "Yes": "Ch", "no": "No"}),
        "diabetesMed": MappingProxyType({"yes": "Yes", "no": "No"}),
    }
)

#: One complete request, with real-looking values; documentation, golden checks and tests use it.
EXAMPLE: Mapping[str, str | int] = MappingProxyType(
    {
        "race": "Caucasian",
        "gender": "Female",
        "age": "[70-80)",
        "admission_type_id": 1,
        "discharge_disposition_id": 3,
        "admission_source_id": 7,
        "time_in_hospital": 6,
        "medical_specialty": "InternalMedicine",
        "num_lab_procedures": 52,
        "num_procedures": 1,
        "num_medications": 18,
        "number_outpatient": 0,
        "number_emergency": 1,
        "number_inpatient": 2,
        "diag_1": "428",
        "diag_2": "250.02",
        "diag_3": "403",
        "number_diagnoses": 9,
        "max_glu_serum": "None",
        "A1Cresult": ">8",
        "metformin": "Steady",
        "insulin": "Up",
        "change": "Ch",
        "diabetesMed": "Yes",
    }
)


def most_probable(probabilities: Sequence[float]) -> str:
    """Return the class of the largest probability; of equal ones, the first in CLASSES.

    Args:
        probabilities: One per class, in the order of CLASSES.
    """
    return CLASSES[probabilities.index(max(probabilities))]


def feature_columns(group: Group) -> tuple[Column, ...]:
    """Return the features of one form group, in the file's order."""
    return tuple(column for column in FEATURE_COLUMNS if column.group == group)
