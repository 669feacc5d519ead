"""Requests of CDS Hooks: what the standard requires, and data that were not sent."""

import json
import uuid
from typing import Any

import pytest

from readmission.fhir.resources import NotUsableError
from serving.clinic import hooks

CONTEXT = {"userId": "Practitioner/1", "patientId": "p", "encounterId": "e"}


def body(**changes: Any) -> bytes:
    usual = {"hook": "patient-view", "hookInstance": str(uuid.uuid4()), "context": CONTEXT, "prefetch": {}}
    return json.dumps(usual | changes).encode()


def test_a_stay_is_required_at_discharge_alone() -> None:
    context = {"userId": "Practitioner/1", "patientId": "p"}
    assert hooks.read_call(body(context=context)).hook == "patient-view"
    with pytest.raises(NotUsableError) as refused:
        hooks.read_call(body(hook="encounter-discharge", context=context))
    assert [issue.where for issue in refused.value.issues] == ["context.encounterId"]


@pytest.mark.parametrize(
    "changes",
    [
        {"context": {**CONTEXT, "encounterId": 5}},
        {"context": {}},
        {"hookInstance": "x"},
        {"hook": "x"},
        {"context": []},
        {"prefetch": []},
        {"prefetch": {"resourceType": "Bundle"}},
    ],
)
def test_what_breaks_the_standard_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(NotUsableError):
        hooks.read_call(body(**changes))


def test_data_that_were_not_sent_are_named_and_unknown_keys_ignored() -> None:
    patient = {"resourceType": "Patient", "id": "p"}
    request = hooks.read_call(body(prefetch={"patient": patient, "labs": None, "other": 3}))
    with pytest.raises(hooks.PreconditionError) as refused:
        hooks.read_prefetch(request)
    assert refused.value.missing == ["encounter", "conditions", "labs", "procedures", "medications"]


def test_an_empty_search_states_that_there_is_none() -> None:
    sent = {key: {"resourceType": "Bundle"} for key in hooks.REQUIRED}
    resources = hooks.read_prefetch(hooks.read_call(body(prefetch=sent)))
    assert resources.complete == set(hooks.REQUIRED)


@pytest.mark.parametrize(
    ("context", "encounter", "expected"),
    [
        (CONTEXT, {"resourceType": "Encounter", "id": "other"}, "e"),
        ({**CONTEXT, "encounterId": None}, {"resourceType": "Encounter", "id": "earlier"}, "earlier"),
        ({**CONTEXT, "encounterId": None}, {"resourceType": "Encounter"}, ""),
        ({**CONTEXT, "encounterId": None}, {"resourceType": "Bundle", "id": "b"}, ""),
    ],
)
def test_without_a_stay_in_its_context_the_stay_that_was_sent_is_judged(
    context: dict[str, Any], encounter: dict[str, Any], expected: str
) -> None:
    kept = {name: value for name, value in context.items() if value is not None}
    assert hooks.stay_id(hooks.read_call(body(context=kept, prefetch={"encounter": encounter}))) == expected
