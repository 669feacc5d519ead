"""Every drug as its column, and orders that do not count."""

import pytest

from readmission.fhir import codes, drug_codes
from tests.unit.fhir.tools import entries, mapped, parts


@pytest.mark.parametrize(("code", "name"), drug_codes.INGREDIENTS.items())
def test_every_ingredient(code: str, name: str) -> None:
    sent = parts(metformin="No", insulin="No", num_medications=1)
    entries(sent, "medications")[0]["medicationCodeableConcept"] = {"coding": [{"system": codes.RXNORM, "code": code}]}
    result = mapped(sent)
    assert result.record[name] == "Steady"
    assert result.record["diabetesMed"] == "Yes"
    assert sum(result.record[drug] != "No" for drug in set(drug_codes.INGREDIENTS.values())) == 1


@pytest.mark.parametrize(("code", "ingredients"), drug_codes.COMBINATIONS.items())
def test_every_combination(code: str, ingredients: frozenset[str]) -> None:
    sent = parts(metformin="No", insulin="No", num_medications=1)
    drug = entries(sent, "medications")[0]
    drug["medicationCodeableConcept"] = {"coding": [{"system": codes.RXNORM, "code": code}]}
    column = drug_codes.COMBINED_COLUMNS[ingredients]
    assert mapped(sent).record[column] == "Steady"
    spelt = " / ".join(f"{name} 5 MG" for name in sorted(ingredients)) + " Oral Tablet"
    drug["medicationCodeableConcept"] = {"text": spelt}
    result = mapped(sent)
    assert result.record[column] == "Steady" and all(result.record[name] == "No" for name in ingredients)


@pytest.mark.parametrize("code", drug_codes.OTHER_DIABETES_DRUGS)
def test_other_drugs_for_diabetes_count_as_treatment_alone(code: str) -> None:
    sent = parts(metformin="No", insulin="No", num_medications=1)
    entries(sent, "medications")[0]["medicationCodeableConcept"] = {"coding": [{"system": codes.RXNORM, "code": code}]}
    result = mapped(sent)
    assert result.record["diabetesMed"] == "Yes"
    assert all(result.record[name] == "No" for name in drug_codes.INGREDIENTS.values())


def test_cancelled_orders_do_not_count() -> None:
    sent = parts(metformin="Steady", insulin="No", num_medications=2)
    entries(sent, "medications")[0]["status"] = "cancelled"
    result = mapped(sent)
    assert (result.record["metformin"], result.record["num_medications"]) == ("No", 1)
