"""Three encounters of the data set with different outcomes, to start the form from.

Values are those of real rows of the UCI data set (CC BY 4.0, see `contract`), without encounter and
patient numbers; what is unknown in the row is absent here too. Each patient is in the test split, so
no model trained by this system has seen it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from serving.demo.language import mark

Record = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Preset:
    """One example: what happened to the patient, which is the label of its button, and the request."""

    outcome: str
    record: Record


PRESETS: tuple[Preset, ...] = (
    Preset(
        mark("was not readmitted"),
        {
            "race": "Caucasian",
            "gender": "Female",
            "age": "[70-80)",
            "admission_type_id": 1,
            "discharge_disposition_id": 1,
            "admission_source_id": 6,
            "time_in_hospital": 3,
            "payer_code": "MC",
            "medical_specialty": "InternalMedicine",
            "num_lab_procedures": 43,
            "num_procedures": 0,
            "num_medications": 7,
            "number_outpatient": 0,
            "number_emergency": 0,
            "number_inpatient": 0,
            "diag_1": "386",
            "diag_2": "250",
            "diag_3": "272",
            "number_diagnoses": 4,
            "A1Cresult": "Norm",
            "glipizide": "Steady",
            "change": "No",
            "diabetesMed": "Yes",
        },
    ),
    Preset(
        mark("came back after 30 days"),
        {
            "race": "Caucasian",
            "gender": "Female",
            "age": "[50-60)",
            "admission_type_id": 2,
            "discharge_disposition_id": 1,
            "admission_source_id": 7,
            "time_in_hospital": 4,
            "payer_code": "UN",
            "medical_specialty": "Emergency/Trauma",
            "num_lab_procedures": 47,
            "num_procedures": 0,
            "num_medications": 18,
            "number_outpatient": 0,
            "number_emergency": 1,
            "number_inpatient": 2,
            "diag_1": "8",
            "diag_2": "496",
            "diag_3": "786",
            "number_diagnoses": 9,
            "A1Cresult": ">8",
            "insulin": "Down",
            "change": "No",
            "diabetesMed": "Yes",
        },
    ),
    Preset(
        mark("came back within 30 days"),
        {
            "race": "Asian",
            "gender": "Male",
            "age": "[60-70)",
            "admission_type_id": 3,
            "discharge_disposition_id": 1,
            "admission_source_id": 1,
            "time_in_hospital": 4,
            "payer_code": "BC",
            "medical_specialty": "Hematology",
            "num_lab_procedures": 51,
            "num_procedures": 1,
            "num_medications": 18,
            "number_outpatient": 0,
            "number_emergency": 0,
            "number_inpatient": 4,
            "diag_1": "V58",
            "diag_2": "202",
            "diag_3": "250",
            "number_diagnoses": 4,
            "insulin": "Up",
            "change": "Ch",
            "diabetesMed": "Yes",
        },
    ),
)
