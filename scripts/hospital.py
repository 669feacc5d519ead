"""Make the sandbox's hospital from the output of clinosim: stays that the service answers, and a few others.

    clinosim simulate -p 5000 -s 23 --country US --start 2025-01-01 --end 2025-12-31 --format fhir-r4 -o OUT
    python scripts/hospital.py OUT/fhir_r4

clinosim (PyPI, MIT License) invents the patients; it is needed only here. What the service does not prefetch is left
out.
"""

import gzip
import json
import sys
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

from readmission.fhir.mapping import map_resources
from readmission.fhir.resources import NotUsableError, read_bundle

TARGET = Path(__file__).parent.parent / "pipelines" / "readmission" / "sandbox" / "hospital.ndjson.gz"
#: Stays that the service answers, and stays for which it has no card; together with their patients' earlier visits.
ANSWERED, OTHERS = 24, 3
_KINDS = ("Condition", "Observation", "Procedure", "MedicationRequest", "MedicationAdministration")
#: Elements that neither the service nor its reader needs.
_DROPPED = frozenset({"text", "meta", "contained", "note", "performer", "participant", "location", "identifier"})
_PATIENT_KEPT = frozenset({"resourceType", "id", "gender", "birthDate", "extension", "deceasedDateTime"})
Resource = dict[str, Any]


def main(arguments: list[str]) -> int:
    """Write the hospital; print what it holds."""
    if len(arguments) != 1:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    chosen = list(_chosen(Path(arguments[0])))
    lines = "".join(f"{json.dumps(each, separators=(',', ':'))}\n" for each in chosen)
    TARGET.write_bytes(gzip.compress(lines.encode(), 9, mtime=0))
    kinds = {each["resourceType"] for each in chosen}
    counts = {kind: sum(each["resourceType"] == kind for each in chosen) for kind in sorted(kinds)}
    sys.stdout.write(f"{TARGET.name}: {TARGET.stat().st_size:,} bytes, {counts}\n")
    return 0


def _chosen(folder: Path) -> Iterator[Resource]:
    patients = {f"Patient/{each['id']}": each for each in _read(folder, ["Patient"])}
    encounters = _read(folder, ["Encounter"])
    # By the stay; conditions by the patient, because a diagnosis of diabetes may be on the problem list.
    by_owner: dict[str, list[Resource]] = {}
    for each in _read(folder, _KINDS):
        if each["resourceType"] != "Observation" or _is_laboratory(each):
            stay = each.get("encounter") or each.get("context") or {"reference": ""}
            owner = each["subject"] if each["resourceType"] == "Condition" else stay
            by_owner.setdefault(owner["reference"], []).append(each)
    counts = {True: 0, False: 0}
    people: set[str] = set()
    for stay in sorted(encounters, key=lambda each: str(each["id"])):
        person = stay["subject"]["reference"]
        if stay["class"]["code"] != "IMP" or not stay["period"].get("end") or person in people:
            continue
        visits = [each for each in encounters if each["subject"]["reference"] == person]
        own = [*by_owner.get(person, []), *by_owner.get(f"Encounter/{stay['id']}", [])]
        answered = _is_answered([patients[person], *visits, *own], stay)
        if answered is None or counts[answered] >= (ANSWERED if answered else OTHERS):
            continue
        counts[answered] += 1
        people.add(person)
        yield {name: value for name, value in patients[person].items() if name in _PATIENT_KEPT}
        for each in (*visits, *own):
            yield {name: value for name, value in each.items() if name not in _DROPPED}


def _is_answered(resources: list[Resource], stay: Resource) -> bool | None:
    """Return whether the service has a card for a stay; None if it refuses the data."""
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": each} for each in resources]}
    try:
        map_resources(read_bundle(json.dumps(bundle).encode()), date.max, encounter_id=stay["id"])
    except NotUsableError as error:
        return False if error.is_outside else None
    return True


def _is_laboratory(observation: Resource) -> bool:
    return any(c.get("code") == "laboratory" for each in observation["category"] for c in each["coding"])


def _read(folder: Path, kinds: Iterable[str]) -> list[Resource]:
    return [json.loads(line) for kind in kinds for line in (folder / f"{kind}.ndjson").read_text().splitlines()]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
