"""MedicationRequest and MedicationAdministration as columns: the 23 drugs, their changes, how many there are."""

import re
from collections.abc import Iterator

from readmission import contract
from readmission.fhir import codes, drug_codes
from readmission.fhir.draft import Draft
from readmission.fhir.elements import Concept, Medication, MedicationAdministration, MedicationRequest

Order = MedicationRequest | MedicationAdministration
_NOT_ORDERED = frozenset({"cancelled", "entered-in-error", "draft", "unknown", "not-done"})
_NO_INTENT = frozenset({"proposal", "option"})
#: Names that RxNorm's clinical drugs spell out ("metformin hydrochloride 500 MG Oral Tablet").
_NAMES = {*drug_codes.INGREDIENTS.values(), *drug_codes.OTHER_DIABETES_DRUGS.values()}
_WORDS = re.compile(r"[a-z]+")


def map_medications(draft: Draft) -> bool:
    """Set the drugs and their number; return whether there is one for diabetes."""
    requests = [each for each in draft.resources.of(MedicationRequest) if _was_ordered(draft, each)]
    administrations = [each for each in draft.resources.of(MedicationAdministration) if _was_ordered(draft, each)]
    if not requests and not administrations and "medications" not in draft.resources.complete:
        text = "the drugs of the stay, as MedicationRequests or MedicationAdministrations"
        draft.wrong("required", "MedicationRequest", text)
        return False
    orders: list[Order] = [*requests, *administrations]
    draft.use(*orders)
    names = {_name(draft, order) for order in (administrations or requests)}
    verb = "given" if administrations else "prescribed"
    draft.count("num_medications", len(names), f"different drugs {verb} in the stay")
    columns = {column for order in orders for column in columns_of(concept(draft, order))}
    doses = _doses(draft, requests)
    for drug in contract.feature_columns("drugs"):
        if drug.assumed is None:
            continue
        if drug.name not in columns:
            draft.put(drug.name, "No", "derived", "not among the drugs of the stay")
        elif drug.name in doses:
            draft.put(drug.name, doses[drug.name], "derived", "first and last dose of the stay")
        else:
            draft.put(drug.name, "Steady", "assumed", "prescribed; no change of its dose was sent")
    is_treated = bool(columns) or any(_ingredients(concept(draft, order)) for order in orders)
    stopped = any(each.status == "stopped" and columns_of(concept(draft, each)) for each in requests)
    changed = stopped or any(dose in ("Up", "Down") for dose in doses.values())
    draft.put("change", "Ch" if changed else "No", "derived" if changed else "assumed", _CHANGES[changed])
    draft.put("diabetesMed", "Yes" if is_treated else "No", "derived", "a drug for diabetes among those of the stay")
    return is_treated


_CHANGES = {True: "a dose changed or a drug was stopped", False: "no change of a dose was sent"}


def _was_ordered(draft: Draft, order: Order) -> bool:
    if order.status in _NOT_ORDERED:
        return False
    if isinstance(order, MedicationRequest) and (order.do_not_perform or order.intent in _NO_INTENT):
        return False
    return draft.is_of_stay(order.encounter, order.moment, f"{type(order).__name__} date")


def concept(draft: Draft, order: Order) -> Concept:
    """Return what was ordered, also if it is a Medication of its own."""
    medication = draft.resources.find(Medication, order.medication_reference)
    return medication.code if medication is not None else order.medication_codeable_concept


def _name(draft: Draft, order: Order) -> object:
    """Return what tells two drugs apart: ingredients of diabetes drugs, else the code or the name."""
    drug = concept(draft, order)
    if ingredients := _ingredients(drug):
        return ingredients
    code = next(iter(drug.codes(codes.RXNORM)), "")
    return code or drug.text.lower() or drug.coding or order.medication_reference.reference or id(order)


def _ingredients(drug: Concept) -> frozenset[str]:
    """Return the drugs for diabetes in one product: by RxNorm's codes, else by the names that it spells out."""
    by_code: set[str] = set()
    for code in drug.codes(codes.RXNORM):
        by_code |= drug_codes.COMBINATIONS.get(code, frozenset())
        by_code |= {name for table in _TABLES if (name := table.get(code))}
    if by_code:
        return frozenset(by_code)
    spelt = " ".join((drug.text, *(coding.display for coding in drug.coding))).lower()
    return frozenset(_NAMES.intersection(_WORDS.findall(spelt)))


_TABLES = (drug_codes.INGREDIENTS, drug_codes.OTHER_DIABETES_DRUGS)


def columns_of(drug: Concept) -> frozenset[str]:
    """Return the contract's columns of one product: one for a combination that the data set has, else one each."""
    ingredients = _ingredients(drug)
    if ingredients in drug_codes.COMBINED_COLUMNS:
        return frozenset({drug_codes.COMBINED_COLUMNS[ingredients]})
    return frozenset(name for name in ingredients if name in contract.BY_NAME)


def _doses(draft: Draft, requests: list[MedicationRequest]) -> dict[str, str]:
    """Return how the dose of each drug changed, where two prescriptions of it state one in the same unit."""
    history: dict[tuple[str, object, str], list[tuple[str, float]]] = {}
    for request in requests:
        for value, unit in _amounts(request):
            for column in columns_of(concept(draft, request)):
                product = concept(draft, request).coding or concept(draft, request).text
                history.setdefault((column, product, unit), []).append((request.moment, value))
    changes: dict[str, tuple[str, str]] = {}
    for (column, _, _), doses in history.items():
        if len(doses) < 2:
            continue
        ordered = sorted(doses, key=lambda dose: dose[0])
        first, (moment, last) = ordered[0][1], ordered[-1]
        change = "Up" if last > first else "Down" if last < first else "Steady"
        # Of several products of a drug, the last one that changed counts.
        if column not in changes or (change != "Steady" and moment >= changes[column][0]):
            changes[column] = (moment, change)
    return {column: change for column, (_, change) in changes.items()}


def _amounts(request: MedicationRequest) -> Iterator[tuple[float, str]]:
    for dosage in request.dosage_instruction[:1]:
        for dose in dosage.dose_and_rate[:1]:
            if dose.dose_quantity is not None and dose.dose_quantity.value is not None:
                yield dose.dose_quantity.value, dose.dose_quantity.code or dose.dose_quantity.unit
