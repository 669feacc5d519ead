"""Condition, Observation and Procedure as columns: diagnoses, laboratory results, weight, counts."""

from collections.abc import Sequence

from readmission.contract import icd
from readmission.fhir import codes
from readmission.fhir.draft import Draft
from readmission.fhir.elements import Concept, Condition, Encounter, Observation, Procedure

_REFUTED = frozenset({"refuted", "entered-in-error"})
_NO_RESULTS = frozenset({"registered", "cancelled", "entered-in-error"})
_NOT_DONE = frozenset({"preparation", "not-done", "entered-in-error", "unknown"})
_VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"


def has_diabetes(draft: Draft) -> bool:
    """Return whether a condition of the patient, of this stay or not, is diabetes."""
    return any(_is_diabetes(condition.code) for condition in draft.resources.of(Condition) if _holds(condition))


def _is_diabetes(concept: Concept) -> bool:
    return any(
        coding.code in codes.SNOMED_DIABETES
        if coding.system == codes.SNOMED
        else coding.code.startswith(codes.DIABETES.get(codes.ICD.get(coding.system, ""), ("\0",)))
        for coding in concept.coding
    )


def _holds(condition: Condition) -> bool:
    return not _REFUTED.intersection(condition.verification_status.codes(_VERIFICATION))


def map_diagnoses(draft: Draft) -> None:
    """Set the first three diagnoses of the stay and how many there are."""
    conditions, how = _ranked(draft)
    if not conditions:
        draft.wrong("required", "Condition", "the diagnoses of the stay, as Conditions that refer to the Encounter")
        return
    draft.use(*conditions)
    draft.count("number_diagnoses", len(conditions), "different diagnoses of the stay")
    diagnoses = [_code(condition.code) for condition in conditions[:3]]
    systems = {system for _, system, _ in diagnoses if system}
    # The original codes are kept in the log if all of them have one system.
    declared = systems.pop() if len(systems) == 1 else ""
    if declared == "10cm":
        draft.values["icd"] = "10cm"
    for position in range(3):
        column = f"diag_{position + 1}"
        if position >= len(diagnoses):
            draft.put(column, None, "missing", "the stay has fewer diagnoses")
            continue
        code, system, problem = diagnoses[position]
        if not code:
            draft.put(column, None, "missing", problem)
        elif system == "10cm":
            value = code if declared else icd.to_icd9(code, "10cm")
            draft.put(column, value, "derived", f"ICD-10-CM, translated to ICD-9-CM{how}")
        else:
            draft.put(column, code, "derived" if not system or how else "sent", how.removeprefix("; "))


def _ranked(draft: Draft) -> tuple[list[Condition], str]:
    """Return the different diagnoses of the stay, the main one first, and how their order was found."""
    listed = draft.stay.diagnosis
    ranks = [diagnosis.rank for diagnosis in listed if diagnosis.rank is not None]
    if len(set(ranks)) < len(ranks):
        draft.wrong("conflict", "Encounter.diagnosis.rank", "each rank once")
    ordered = sorted(listed, key=lambda diagnosis: (diagnosis.rank is None, diagnosis.rank))
    conditions = [draft.resources.find(Condition, diagnosis.condition) for diagnosis in ordered]
    how = "" if ranks else "; in the order of Encounter.diagnosis"
    if not listed:
        of_stay = (c for c in draft.resources.of(Condition) if c.encounter.reference)
        conditions = [c for c in of_stay if draft.resources.are_same(c.encounter, draft.stay)]
        how = "; in the order of the Conditions, since Encounter.diagnosis has none"
    elif None in conditions:
        draft.wrong("required", "Encounter.diagnosis.condition", "every Condition that the Encounter refers to")
    different: dict[object, Condition] = {}
    for condition in conditions:
        if condition is not None and _holds(condition):
            different.setdefault(condition.code.coding or condition.code.text or id(condition), condition)
    return list(different.values()), how


def _code(concept: Concept) -> tuple[str, str, str]:
    """Return a diagnosis as a code of the contract, its code system, and why there is none.

    ICD-9-CM is what the model was trained on, so it is taken first; SNOMED CT is last, and has no system here.
    """
    problem = "neither an ICD nor a known SNOMED CT code"
    for system in ("9cm", "10cm"):
        for coding in concept.coding:
            if codes.ICD.get(coding.system) != system:
                continue
            refusal = icd.refusal(coding.code, system)
            if refusal is None:
                return coding.code, system, ""
            problem = f"the code is refused ({refusal.problem}): {refusal.allowed}"
    for coding in concept.coding:
        if coding.system == codes.SNOMED and coding.code in codes.SNOMED_DIAGNOSES:
            return codes.SNOMED_DIAGNOSES[coding.code], "", ""
    return "", "", problem


def map_observations(draft: Draft) -> None:
    """Set the number of laboratory tests, HbA1c, glucose and weight."""
    of_stay = [
        observation
        for observation in draft.resources.of(Observation)
        if observation.status not in _NO_RESULTS
        and draft.is_of_stay(observation.encounter, observation.moment, "Observation.effective[x]")
    ]
    # A panel counts by its members.
    tests = [each for each in of_stay if _is_laboratory(each) and not each.has_member]
    if not tests and "labs" not in draft.resources.complete:
        draft.wrong("required", "Observation", "the laboratory results of the stay (category laboratory)")
        return
    draft.count("num_lab_procedures", len(tests), "laboratory Observations of the stay")
    _map_level(draft, of_stay, "A1Cresult", codes.A1C, (8.0, ">8"), (7.0, ">7"))
    _map_level(draft, of_stay, "max_glu_serum", codes.GLUCOSE, (300.0, ">300"), (200.0, ">200"))
    weights = _measured(draft, of_stay, "weight", codes.WEIGHT)
    if weights:
        pounds = weights[-1]
        low = int(pounds // 25 * 25)
        draft.put("weight", ">200" if pounds >= 200 else f"[{low}-{low + 25})", "derived", "last weight of the stay")
    else:
        draft.put("weight", None, "missing")


def _is_laboratory(observation: Observation) -> bool:
    return any("laboratory" in category.codes(codes.OBSERVATION_CATEGORY) for category in observation.category)


def _map_level(
    draft: Draft, of_stay: Sequence[Observation], column: str, loinc: frozenset[str], *limits: tuple[float, str]
) -> None:
    """Set a result from its highest value; without one it was not measured."""
    values = _measured(draft, of_stay, column, loinc)
    if not values:
        draft.put(column, "None", "derived", "not measured in the stay")
        return
    level = next((name for limit, name in limits if max(values) > limit), "Norm")
    draft.put(column, level, "derived", "highest value of the stay")


def _measured(draft: Draft, of_stay: Sequence[Observation], column: str, loinc: frozenset[str]) -> list[float]:
    """Return the values of one test in the contract's unit, the oldest first; another unit is refused."""
    units, values = codes.UNITS[column], []
    for observation in sorted(of_stay, key=lambda each: each.moment):
        if loinc.isdisjoint(observation.code.codes(codes.LOINC)) or observation.value_quantity is None:
            continue
        amount = observation.value_quantity
        scale = units.get(amount.code or amount.unit)
        if scale is None:
            draft.wrong("value", f"Observation.valueQuantity of {column}", f"a unit (UCUM) out of {', '.join(units)}")
        elif amount.value is None or not 0 < amount.value < 1e5:
            draft.wrong("value", f"Observation.valueQuantity of {column}", "a positive number")
        else:
            values.append(amount.value * scale[0] + scale[1])
            draft.use(observation)
    return values


def map_procedures(draft: Draft) -> None:
    """Set the number of procedures."""
    procedures = [
        procedure
        for procedure in draft.resources.of(Procedure)
        if procedure.status not in _NOT_DONE
        and draft.is_of_stay(procedure.encounter, procedure.moment, "Procedure.performed[x]")
    ]
    if not draft.resources.of(Procedure) and "procedures" not in draft.resources.complete:
        draft.put("num_procedures", 0, "assumed", "no Procedure was sent")
        return
    draft.use(*procedures)
    draft.count("num_procedures", len(procedures), "Procedures of the stay")


def index_stay(encounters: Sequence[Encounter]) -> Encounter | None:
    """Return the stay that is judged: of the inpatient ones, or else of all, the one that began last."""
    stays = [each for each in encounters if each.kind.code in codes.STAYS] or list(encounters)
    return max(stays, key=lambda each: each.period.start, default=None)
