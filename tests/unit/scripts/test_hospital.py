"""Which stays of clinosim's output become the sandbox's hospital."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import hospital

from readmission import contract
from tests import fhir_stay

RECORD = {k: v for k, v in contract.EXAMPLE.items() if k not in ("weight", "payer_code")}


def written(folder: Path, *patients: tuple[str, dict[str, Any]]) -> Path:
    kinds: dict[str, list[Any]] = {kind: [] for kind in ("Patient", "Encounter", *hospital._KINDS)}
    for name, changes in patients:
        prefetched = fhir_stay.prefetch({**RECORD, **changes}, date(2025, 11, 27), name, f"{name}-stay")
        for resource in prefetched.values():
            for each in [e["resource"] for e in resource["entry"]] if "entry" in resource else [resource]:
                kinds[each["resourceType"]].append(
                    {**each, "text": {"div": "to drop"}, "name": [{"family": "to drop"}]}
                )
    for kind, resources in kinds.items():
        (folder / f"{kind}.ndjson").write_text("\n".join(json.dumps(each) for each in resources))
    return folder


def test_stays_with_and_without_a_card_are_taken_once_a_patient(tmp_path: Path, monkeypatch: Any) -> None:
    folder = written(tmp_path, ("a", {}), ("b", {}), ("dead", {"discharge_disposition_id": 11}))
    chosen = list(hospital._chosen(folder))
    assert [each["id"] for each in chosen if each["resourceType"] == "Patient"] == ["a", "b", "dead"]
    assert "to drop" not in json.dumps([each for each in chosen if each["resourceType"] == "Patient"])
    assert not any("text" in each for each in chosen)
    monkeypatch.setattr(hospital, "ANSWERED", 1)
    people = [each["id"] for each in hospital._chosen(folder) if each["resourceType"] == "Patient"]
    assert people == ["a", "dead"]


def test_without_a_folder_it_says_what_it_needs(capsys: Any) -> None:
    assert hospital.main([]) == 2 and "clinosim simulate" in capsys.readouterr().err
