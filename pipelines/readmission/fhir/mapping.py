"""Resources of one patient as one encounter of the contract, with where every value comes from."""

from collections.abc import Mapping, Sequence
from datetime import date

from msgspec import Struct

from readmission import contract
from readmission.fhir.draft import Draft, Origin, Source
from readmission.fhir.elements import Encounter, Identifier, Patient
from readmission.fhir.findings import has_diabetes, index_stay, map_diagnoses, map_observations, map_procedures
from readmission.fhir.medications import map_medications
from readmission.fhir.resources import Issue, NotUsableError, Resources
from readmission.fhir.stay import map_patient, map_stay, map_visits


class MappedEncounter(Struct, frozen=True, kw_only=True):
    """Encounter of the contract, made of resources.

    Attributes:
        record: Request that /predict takes.
        origins: Column -> where its value comes from, for every feature.
        columns: The same by source, in the contract's order.
        patient: Reference to the Patient.
        stay: Reference to the Encounter.
        end: Last day of the stay; None while it has no end.
        basis: References to the resources that were used.
    """

    record: Mapping[str, str | int]
    origins: Mapping[str, Origin]
    columns: Mapping[Source, Sequence[str]]
    patient: str
    stay: str
    end: date | None
    basis: Sequence[str]


class IdentifierSystems(Struct, frozen=True):
    """Systems of the identifiers that are the data's own numbers; empty if there are none.

    Attributes:
        patient: System of a Patient's identifier that is `patient_nbr`.
        encounter: System of an Encounter's identifier that is `encounter_id`.
    """

    patient: str = ""
    encounter: str = ""


def map_resources(
    resources: Resources,
    today: date,
    systems: IdentifierSystems = IdentifierSystems(),  # noqa: B008 - immutable
    *,
    patient_id: str = "",
    encounter_id: str = "",
) -> MappedEncounter:
    """Make one encounter of the resources of one patient.

    Args:
        resources: What was sent.
        today: Day up to which a stay without an end is counted.
        systems: Identifiers that are the data's own numbers.
        patient_id: FHIR id that the Patient must have. If omitted, any.
        encounter_id: FHIR id of the stay. If omitted, the inpatient stay that began last.

    Raises:
        NotUsableError: Something is missing, contradicts itself, or the patient is not one that the model knows.
    """
    patient, stay = _who(resources, patient_id, encounter_id)
    draft = Draft(resources, patient, stay, today)
    _check_subjects(draft)
    _fill(draft)
    record = {name: draft.values[name] for name in (*contract.FEATURE_NAMES, "icd") if name in draft.values}
    numbers = {
        "patient_nbr": _number(patient.identifier, systems.patient),
        "encounter_id": _number(stay.identifier, systems.encounter),
    }
    return MappedEncounter(
        record=record | {name: number for name, number in numbers.items() if number},
        origins=draft.origins,
        columns=draft.by_source(),
        patient=resources.reference(patient),
        stay=resources.reference(stay),
        end=draft.end if stay.period.end else None,
        basis=draft.basis,
    )


def _who(resources: Resources, patient_id: str, encounter_id: str) -> tuple[Patient, Encounter]:
    patients, encounters = resources.of(Patient), resources.of(Encounter)
    issues = []
    if len(patients) != 1:
        code = "conflict" if patients else "required"
        issues.append(Issue(code, "Patient", f"exactly one Patient, not {len(patients)}"))
    elif patient_id and patients[0].id != patient_id:
        issues.append(Issue("conflict", "Patient.id", "the patient that the context names"))
    named = [each for each in encounters if each.id == encounter_id] if encounter_id else encounters
    stay = index_stay(named)
    if stay is None:
        code = "conflict" if encounters else "required"
        text = "the encounter that the context names" if encounters else "the Encounter of the stay"
        issues.append(Issue(code, "Encounter", text))
    if stay is None or issues:
        raise NotUsableError(issues)
    return patients[0], stay


def _fill(draft: Draft) -> None:
    """Set every column.

    Raises:
        NotUsableError: Something is missing, contradicts itself, or the patient is not one that the model knows.
    """
    map_patient(draft)
    map_stay(draft)
    map_visits(draft)
    map_diagnoses(draft)
    map_observations(draft)
    map_procedures(draft)
    is_treated = map_medications(draft)
    if not is_treated and not has_diabetes(draft):
        draft.wrong("business-rule", "Condition", "a patient with diabetes: the model knows no others")
    if draft.issues:
        # What is wrong with the data comes before whether the patient is one that the model knows.
        outside = all(issue.code in ("business-rule", "required") for issue in draft.issues)
        issues = [issue for issue in draft.issues if issue.code == "business-rule"] if outside else []
        raise NotUsableError(issues or draft.issues)


def _check_subjects(draft: Draft) -> None:
    """Refuse resources of another patient, or of none."""
    for kind, resource in draft.resources:
        subject = getattr(resource, "subject", None)
        if subject is None:
            continue
        if not subject.reference:
            draft.wrong("required", f"{kind}.subject", "a reference to the Patient")
        elif not draft.resources.are_same(subject, draft.patient):
            draft.wrong("conflict", f"{kind}.subject", "the Patient that was sent: this one is another")


def _number(identifiers: Sequence[Identifier], system: str) -> int | None:
    """Return the number of an identifier, if the system has a positive one."""
    column = contract.BY_NAME["patient_nbr"]
    for identifier in identifiers:
        if system and identifier.system == system and column.problem(identifier.value) is None:
            return int(identifier.value)
    return None
