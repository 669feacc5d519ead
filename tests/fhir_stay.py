"""FHIR resources of an invented patient, from the encounter of the contract that they must become."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from readmission import contract
from readmission.contract import icd
from readmission.fhir import codes, drug_codes

Resource = dict[str, Any]
#: Values of the results and doses that stand for the contract's levels.
_A1C = {"Norm": 6.1, ">7": 7.4, ">8": 9.2}
_GLUCOSE = {"Norm": 120, ">200": 240, ">300": 350}
_DOSES = {"Up": (10, 20), "Down": (20, 10), "Steady": (10,)}
_URIS = {system: uri for uri, system in icd.SYSTEM_URIS.items()}
_CLASSES = {"number_outpatient": "AMB", "number_emergency": "EMER", "number_inpatient": "IMP"}


def prefetch(record: Mapping[str, str | int], discharged: date, patient_id: str, encounter_id: str) -> Resource:
    """Return the prefetched resources of an encounter, by the keys of the CDS service.

    Args:
        record: The encounter, as /predict takes it. Its columns must be ones that FHIR can say: no weight and payer.
        discharged: Day of the discharge.
        patient_id: FHIR id of the patient.
        encounter_id: FHIR id of the stay.
    """
    admitted = discharged - timedelta(days=int(record["time_in_hospital"]))
    about = {"subject": {"reference": f"Patient/{patient_id}"}, "encounter": {"reference": f"Encounter/{encounter_id}"}}
    conditions = list(_conditions(record, about, encounter_id))
    stay = _stay(record, admitted, discharged, patient_id, encounter_id)
    stay["diagnosis"] = [
        {"condition": {"reference": f"Condition/{condition['id']}"}, "rank": rank}
        for rank, condition in enumerate(conditions, 1)
    ]
    # On the problem list, and so no diagnosis of the stay.
    diabetes = _condition("E11.9", "10cm", f"{encounter_id}-diabetes", {"subject": about["subject"]})
    return {
        "patient": _patient(record, admitted, patient_id),
        "encounter": stay,
        "conditions": searchset([*conditions, diabetes]),
        "labs": searchset(_labs(record, admitted, about, encounter_id)),
        "procedures": searchset(_procedures(record, admitted, about, encounter_id)),
        "medications": searchset(_medications(record, admitted, about, encounter_id)),
        "visits": searchset(_visits(record, admitted, about["subject"], encounter_id)),
    }


def bundle(prefetched: Mapping[str, Resource]) -> Resource:
    """Return prefetched resources as one Bundle."""
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in prefetched.values()]}


def searchset(resources: Any) -> Resource:
    """Return the answer of a search."""
    entries = [{"resource": resource} for resource in resources]
    return {"resourceType": "Bundle", "type": "searchset", "total": len(entries), "entry": entries}


def _coded(value: object, table: Mapping[str, Mapping[str, object]]) -> Resource:
    system, code = next((s, c) for s, pairs in table.items() for c, meaning in pairs.items() if meaning == value)
    return {"coding": [{"system": system, "code": code}]}


def _patient(record: Mapping[str, str | int], admitted: date, patient_id: str) -> Resource:
    low = int(str(record["age"])[1:].partition("-")[0])
    patient: Resource = {
        "resourceType": "Patient",
        "id": patient_id,
        "gender": next(code for code, gender in codes.GENDERS.items() if gender == record["gender"]),
        "birthDate": f"{admitted.year - low - 5}-01-01",
    }
    if race := record.get("race"):
        url, code = codes.US_CORE_ETHNICITY, codes.HISPANIC
        if race != "Hispanic":
            url, code = codes.US_CORE_RACE, next(code for code, name in codes.RACES.items() if name == race)
        patient["extension"] = [
            {"url": url, "extension": [{"url": "ombCategory", "valueCoding": {"code": code}}]},
        ]
    return patient


def _stay(
    record: Mapping[str, str | int], admitted: date, discharged: date, patient_id: str, encounter_id: str
) -> Resource:
    stay: Resource = {
        "resourceType": "Encounter",
        "id": encounter_id,
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": {"reference": f"Patient/{patient_id}"},
        "period": {"start": f"{admitted}T09:00:00-05:00", "end": f"{discharged}T14:00:00-05:00"},
        "hospitalization": {},
    }
    for column, holder, element, table in (
        ("admission_type_id", stay, "priority", codes.TYPES),
        ("admission_source_id", stay["hospitalization"], "admitSource", codes.SOURCES),
        ("discharge_disposition_id", stay["hospitalization"], "dischargeDisposition", codes.DISPOSITIONS),
        ("medical_specialty", stay, "serviceType", codes.SPECIALTIES),
    ):
        if (value := record.get(column)) is not None:
            holder[element] = _coded(value, table)
    return stay


def _condition(code: str, system: icd.System, condition_id: str, about: Resource) -> Resource:
    return {
        "resourceType": "Condition",
        "id": condition_id,
        "code": {"coding": [{"system": _URIS[system], "code": code}]},
        **about,
    }


def _conditions(record: Mapping[str, str | int], about: Resource, encounter_id: str) -> Iterator[Resource]:
    """Yield the diagnoses: the three of the record, then others that the model does not see."""
    system: icd.System = "10cm" if record.get("icd") == "10cm" else "9cm"
    stated = [str(record[column]) for column in contract.DIAGNOSES if column in record]
    others = [f"{number}" for number in range(701, 720)]
    for number, code in enumerate([*stated, *others][: int(record["number_diagnoses"])]):
        own = system if number < len(stated) else "9cm"
        yield _condition(code, own, f"{encounter_id}-diagnosis-{number}", about)


def _labs(record: Mapping[str, str | int], admitted: date, about: Resource, encounter_id: str) -> Iterator[Resource]:
    results = []
    if (level := record.get("A1Cresult", "None")) != "None":
        results.append(("4548-4", _A1C[str(level)], "%"))
    if (level := record.get("max_glu_serum", "None")) != "None":
        results.append(("2345-7", _GLUCOSE[str(level)], "mg/dL"))
    count = int(record["num_lab_procedures"])
    results += [("2951-2", 139.0, "mmol/L")] * (count - len(results))
    for number, (code, value, unit) in enumerate(results[:count]):
        yield {
            "resourceType": "Observation",
            "id": f"{encounter_id}-lab-{number}",
            "status": "final",
            "category": [{"coding": [{"system": codes.OBSERVATION_CATEGORY, "code": "laboratory"}]}],
            "code": {"coding": [{"system": codes.LOINC, "code": code}]},
            "effectiveDateTime": f"{admitted}T10:00:00-05:00",
            "valueQuantity": {"value": value, "unit": unit, "system": codes.UCUM, "code": unit},
            **about,
        }


def _procedures(
    record: Mapping[str, str | int], admitted: date, about: Resource, encounter_id: str
) -> Iterator[Resource]:
    for number in range(int(record["num_procedures"])):
        yield {
            "resourceType": "Procedure",
            "id": f"{encounter_id}-procedure-{number}",
            "status": "completed",
            "performedDateTime": admitted.isoformat(),
            **about,
        }


def _medications(
    record: Mapping[str, str | int], admitted: date, about: Resource, encounter_id: str
) -> Iterator[Resource]:
    """Yield the drugs of the record, then others up to their number."""
    rxnorm = {name: code for code, name in drug_codes.INGREDIENTS.items() if name != "insulin"} | {"insulin": "274783"}
    for code, ingredients in drug_codes.COMBINATIONS.items():
        rxnorm[drug_codes.COMBINED_COLUMNS[ingredients]] = code
    drugs = [name for name in rxnorm if record.get(name, "No") != "No"]
    others = [f"invented drug {number}" for number in range(int(record["num_medications"]) - len(drugs))]
    number = 0
    for name in [*drugs, *others]:
        doses = _DOSES[str(record.get(name, "Steady"))]
        coded: Resource = {"text": name}
        if name in rxnorm:
            coded = {"coding": [{"system": codes.RXNORM, "code": rxnorm[name], "display": name}]}
        for day, dose in enumerate(doses):
            number += 1
            yield {
                "resourceType": "MedicationRequest",
                "id": f"{encounter_id}-drug-{number}",
                "status": "active",
                "intent": "order",
                "medicationCodeableConcept": coded,
                "authoredOn": (admitted + timedelta(days=day)).isoformat(),
                "dosageInstruction": [{"doseAndRate": [{"doseQuantity": {"value": dose, "unit": "mg"}}]}],
                **about,
            }


def _visits(
    record: Mapping[str, str | int], admitted: date, subject: Resource, encounter_id: str
) -> Iterator[Resource]:
    for column, kind in _CLASSES.items():
        for number in range(int(record.get(column, 0))):
            day = (admitted - timedelta(days=10 + number % 300)).isoformat()
            yield {
                "resourceType": "Encounter",
                "id": f"{encounter_id}-{kind.lower()}-{number}",
                "status": "finished",
                "class": {"code": kind},
                "subject": subject,
                "period": {"start": day, "end": day},
            }
