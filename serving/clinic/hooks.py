"""CDS Hooks 2.0: what the API offers to record systems, and the requests that they send."""

import re
from collections.abc import Mapping
from typing import Any, Literal, get_args

import msgspec
from msgspec import Raw, Struct

from readmission.fhir.resources import UNREADABLE, Issue, NotUsableError, Resources, resource_type

Hook = Literal["encounter-discharge", "patient-view"]
HOOKS: tuple[Hook, ...] = get_args(Hook)
#: The one service. Both hooks have its id, so that a card of one replaces a card of the other.
SERVICE_ID = "readmission-risk"
DISCOVERY = "/cds-services"
CALL = f"{DISCOVERY}/{SERVICE_ID}"
FEEDBACK = f"{CALL}/feedback"
#: Data that a record system sends along: key -> query. The service never reads a FHIR server itself.
PREFETCH: Mapping[str, str] = {
    "patient": "Patient/{{context.patientId}}",
    "encounter": "Encounter/{{context.encounterId}}",
    "conditions": "Condition?patient={{context.patientId}}",
    "labs": "Observation?encounter={{context.encounterId}}&category=laboratory",
    "procedures": "Procedure?encounter={{context.encounterId}}",
    "medications": "MedicationRequest?encounter={{context.encounterId}}&_include=MedicationRequest:medication",
    "administrations": (
        "MedicationAdministration?context={{context.encounterId}}&_include=MedicationAdministration:medication"
    ),
    "visits": "Encounter?patient={{context.patientId}}",
}
#: Keys without which there is no estimate.
REQUIRED = ("patient", "encounter", "conditions", "labs", "procedures", "medications")
#: What is needed of the context; `patient-view` names a stay only if the patient is in one.
_CONTEXT = ("userId", "patientId", "encounterId")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class HookRequest(Struct, rename="camel"):
    """Body of a call; `fhirServer` and `fhirAuthorization` are never used."""

    hook: str = ""
    hook_instance: str = ""
    context: dict[str, Any] = {}
    prefetch: dict[str, Raw] = {}


class PreconditionError(Exception):
    """Refusal of a call whose prefetched data are not enough; the answer is 412."""

    def __init__(self, missing: list[str]) -> None:
        super().__init__("prefetched data are missing: " + ", ".join(missing))
        self.missing = missing


_decode = msgspec.json.Decoder(HookRequest).decode


def discovery() -> dict[str, Any]:
    """Return the services for the discovery endpoint."""
    offers = {
        "encounter-discharge": "Estimates, at discharge, the risk of readmission within 30 days.",
        "patient-view": "Estimates, during a stay, the risk of readmission within 30 days if the stay ended today.",
    }
    return {
        "services": [
            {
                "hook": hook,
                "title": "Readmission risk of patients with diabetes",
                "description": offers[hook],
                "id": SERVICE_ID,
                "prefetch": dict(PREFETCH),
                "usageRequirements": (
                    f"All data must be prefetched; {', '.join(REQUIRED)} are required. For inpatient stays of 1 to "
                    "14 days of patients with diabetes; for others the answer has no card."
                ),
            }
            for hook in HOOKS
        ]
    }


def read_call(body: bytes) -> HookRequest:
    """Read a call.

    Raises:
        NotUsableError: It does not follow the standard; every problem is named.
    """
    try:
        request = _decode(body)
    except UNREADABLE as error:
        is_type = isinstance(error, msgspec.ValidationError)
        path = str(error).partition(" - at ")[2] if is_type else ""
        text = "the fields of a CDS Hooks request in JSON; " + (f"wrong type at {path}" if path else "this is not one")
        raise NotUsableError([Issue("structure", "request", text)]) from None
    issues = []
    if request.hook not in HOOKS:
        issues.append(Issue("value", "hook", f"one of {', '.join(HOOKS)}"))
    if not _UUID.fullmatch(request.hook_instance):
        issues.append(Issue("value", "hookInstance", "a UUID"))
    for name in _CONTEXT:
        value = request.context.get(name)
        needed = name != "encounterId" or request.hook == "encounter-discharge"
        if (value is None and needed) or (value is not None and not (isinstance(value, str) and value)):
            issues.append(Issue("required", f"context.{name}", "a text; the hook requires it"))
    if "resourceType" in request.prefetch:
        text = f"an object with the keys {', '.join(PREFETCH)}, not one resource"
        issues.append(Issue("structure", "prefetch", text))
    if issues:
        raise NotUsableError(issues)
    return request


def read_prefetch(request: HookRequest) -> Resources:
    """Return the prefetched resources.

    Raises:
        PreconditionError: Required data were not sent.
        NotUsableError: A resource cannot be read, or is not what its key promises.
    """
    kinds = {key: resource_type(raw) for key, raw in request.prefetch.items() if key in PREFETCH}
    # A record system that cannot fetch something leaves it out, or sends null or an OperationOutcome.
    missing = [key for key in REQUIRED if kinds.get(key, "") in ("", "OperationOutcome")]
    if missing:
        raise PreconditionError(missing)
    resources = Resources()
    for key, kind in kinds.items():
        if kind and kind != "OperationOutcome":
            resources.add(request.prefetch[key], f"prefetch.{key}")
            resources.complete.add(key)
    return resources


class _Identified(msgspec.Struct):
    id: str = ""


def stay_id(request: HookRequest) -> str:
    """Return the id of the stay that is judged, after `read_prefetch`.

    It is the context's. A view of a patient need not name one there: then it is that of the resource `encounter`, so
    that a patient's earlier or later stay is never judged in its place. Empty if neither says.
    """
    stay: str = request.context.get("encounterId", "")
    sent = request.prefetch.get("encounter")
    if stay or sent is None or resource_type(sent) != "Encounter":
        return stay
    return msgspec.json.decode(sent, type=_Identified).id
