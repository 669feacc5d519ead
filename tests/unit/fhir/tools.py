"""The example as resources, and what the mapping makes of them."""

import copy
import json
from datetime import date
from typing import Any

import pytest

from readmission import contract
from readmission.fhir.mapping import MappedEncounter, map_resources
from readmission.fhir.resources import NotUsableError, read_bundle
from tests import fhir_stay

DISCHARGED = date(2026, 11, 20)


#: Columns that no resource states: the data set does not define payer codes, and weight is an Observation of its own.
UNSAID = ("payer_code", "weight")


EXAMPLE = {k: v for k, v in contract.EXAMPLE.items() if k not in UNSAID} | {"diag_2": "250.02"}


def parts(**changes: object) -> dict[str, Any]:
    """Return the resources of the example with some columns changed."""
    record: Any = {**EXAMPLE, **changes}
    return copy.deepcopy(fhir_stay.prefetch(record, DISCHARGED, "p1", "e1"))


def mapped(prefetched: dict[str, Any], **options: Any) -> MappedEncounter:
    body = json.dumps(fhir_stay.bundle(prefetched)).encode()
    return map_resources(read_bundle(body), DISCHARGED, **options)


def issues(prefetched: dict[str, Any], **options: Any) -> list[tuple[str, str]]:
    with pytest.raises(NotUsableError) as refused:
        mapped(prefetched, **options)
    return [(issue.code, issue.where) for issue in refused.value.issues]


def entries(prefetched: dict[str, Any], key: str) -> list[dict[str, Any]]:
    return [entry["resource"] for entry in prefetched[key]["entry"]]
