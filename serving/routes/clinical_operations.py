"""Operations for record systems in the OpenAPI document: CDS Hooks and FHIR. The standards describe their content."""

from typing import Any

from serving.clinic import hooks
from serving.clinic.events import ACTIONS
from serving.routes import fhir
from serving.routes.operations import KEYS, answer, json_content, ref, refused

_OBJECT = {"type": "object"}
_PROBLEMS = {"type": "object", "properties": {"errors": {"type": "array", "items": _OBJECT}}}
_MISSING = {
    "type": "object",
    "properties": {"error": {"type": "string"}, "missing": {"type": "object"}},
    "required": ["error", "missing"],
}
_CARDS = {
    "type": "object",
    "properties": {"cards": {"type": "array", "items": _OBJECT}},
    "required": ["cards"],
}
_JWT: list[dict[str, list[str]]] = [{"jwt": []}]


def operations() -> dict[str, dict[str, Any]]:
    """Return the paths for record systems with their operations."""
    return {
        hooks.DISCOVERY: {"get": _discovery()},
        hooks.CALL: {"post": _call()},
        hooks.FEEDBACK: {"post": _feedback()},
        "/worklist": {"get": _worklist()},
        "/follow-ups": {"post": _follow_up()},
        fhir.PATH: {"post": _risk_assessment()},
    }


def _operation(name: str, description: str, body: dict[str, Any] | None, responses: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "tags": ["Record systems"],
        "summary": name,
        "description": description,
        "operationId": name.lower().replace(" ", "_"),
        "responses": responses,
        "security": _JWT if body else [],
    }
    if body:
        operation["requestBody"] = {"required": True, "content": body}
    return operation


def _discovery() -> dict[str, Any]:
    services = {"type": "object", "properties": {"services": {"type": "array", "items": _OBJECT}}}
    return _operation(
        "CDS services",
        "Lists the CDS Hooks services, with the data that a record system sends along.",
        None,
        {"200": answer("The services.", json_content(services))},
    )


def _call() -> dict[str, Any]:
    responses = {
        "200": answer("Cards; none for a patient whom the model does not know.", json_content(_CARDS)),
        "400": answer("The request does not follow the standard.", json_content(_PROBLEMS)),
        "401": refused("401"),
        "408": refused("408"),
        "412": answer("Prefetched data are missing; they are named.", json_content(_MISSING)),
        "413": refused("413"),
        "422": answer("The resources contradict each other or lack something.", json_content(_PROBLEMS)),
        "503": refused("503"),
    }
    description = "Answers a call of the hook encounter-discharge or patient-view from prefetched data alone."
    return _operation("Call readmission risk", description, json_content(_OBJECT), responses)


def _feedback() -> dict[str, Any]:
    responses = {
        "200": answer("The feedback is kept.", json_content(_OBJECT)),
        "400": answer("The feedback does not follow the standard.", json_content(_PROBLEMS)),
        **{code: refused(code) for code in ("401", "408", "413", "503")},
    }
    description = "Records whether clinicians accepted or overrode cards. It is never an outcome of a patient."
    return _operation("Card feedback", description, json_content(_OBJECT), responses)


def _worklist() -> dict[str, Any]:
    listed = {**json_content(ref("Worklist")), "text/csv": {"schema": {"type": "string"}}}
    responses = {"200": answer("The discharges, the highest risk first.", listed)}
    responses |= {code: refused(code) for code in ("401", "403", "503")}
    description = "Lists today's and yesterday's discharges for the follow-up team; `?format=csv` is a file."
    operation = _operation("Worklist", description, None, responses)
    return operation | {"security": [{}, *KEYS], "parameters": [_FORMAT]}


_FORMAT = {"name": "format", "in": "query", "schema": {"type": "string", "enum": ["json", "csv"]}}


def _follow_up() -> dict[str, Any]:
    body = {
        "type": "object",
        "properties": {
            "prediction_id": {"type": "string", "format": "uuid"},
            "action": {"type": "string", "enum": list(ACTIONS)},
        },
        "required": ["prediction_id", "action"],
    }
    responses = {
        "200": answer("It is kept.", json_content(_OBJECT)),
        "400": answer("The body is not allowed.", json_content(_PROBLEMS)),
        **{code: refused(code) for code in ("401", "403", "408", "413", "503")},
    }
    description = "Records what the follow-up team did about one discharge."
    return _operation("Follow up", description, json_content(body), responses) | {"security": [{}, *KEYS]}


def _risk_assessment() -> dict[str, Any]:
    outcome = {"application/fhir+json": {"schema": _OBJECT}}
    responses = {
        "200": answer("The RiskAssessment.", {"application/fhir+json": {"schema": _OBJECT}}),
        "400": answer("The body is not a FHIR Bundle: an OperationOutcome.", outcome),
        "401": refused("401"),
        "403": refused("403"),
        "408": refused("408"),
        "413": refused("413"),
        "422": answer("The resources cannot be used: an OperationOutcome.", outcome),
        "503": refused("503"),
    }
    body = {"application/fhir+json": {"schema": _OBJECT}, **json_content(_OBJECT)}
    description = "Makes a FHIR R4 RiskAssessment of a Bundle with one patient and the stay."
    operation = _operation("Risk assessment", description, body, responses)
    operation["security"] = [{}, *KEYS]
    operation["parameters"] = [{"$ref": "#/components/parameters/RequestId"}]
    return operation
