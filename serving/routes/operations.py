"""Operations of the OpenAPI document: what each takes and answers, and how it refuses."""

from typing import Any

from readmission.scorer.manifest import CARD_PAGES, CARDS
from serving.routes import examples
from serving.routes.feedback import MAX_OUTCOMES

REF = "#/components/schemas/{name}"
#: Why a request is refused, and with which schema.
_REFUSALS = {
    "400": ("Refusal", "The request breaks the contract; every problem is listed."),
    "401": ("Sentence", "The API key is missing or not known."),
    "403": ("Sentence", "The key lacks the scope."),
    "404": ("Refusal", "The prediction is not known."),
    "408": ("Sentence", "The body did not arrive in time."),
    "413": ("Sentence", "The body is too large."),
    "501": ("Sentence", "The model's engine cannot explain its answers."),
    "503": ("Sentence", "No answer at present; Retry-After says when to try again."),
}
_KEYED = ("400", "401", "403", "408", "413", "503")
_TEXT = {"type": "string"}
_ID = {"description": "Id of the request: the client's own, or of the prediction.", "schema": _TEXT}
_RETRY = {"description": "Seconds to wait before the next try.", "schema": {"type": "integer"}}
_CHALLENGE = {"description": "How to authenticate: Bearer.", "schema": _TEXT}
_HEADERS = {"503": {"Retry-After": _RETRY}, "401": {"WWW-Authenticate": _CHALLENGE}}
#: Either header of an API key.
KEYS: list[dict[str, list[str]]] = [{"bearer": []}, {"key": []}]
#: Streams of /predict_batch.
_STREAMS = ("application/x-ndjson", "text/csv")


def operations() -> dict[str, dict[str, Any]]:
    """Return every path with its operation."""
    posts = {
        "/predict": _predict(),
        "/predict_batch": _predict_batch(),
        "/explain": _explain(),
        "/feedback": _feedback(),
        "/reload-model": _reload(),
    }
    gets = {
        "/model-info": _model_info(),
        "/model-card": _model_card(),
        "/health": _health(),
        "/livez": _probe("Live", "Answers while the process does."),
        "/readyz": _probe("Ready", "Tells whether a prediction can be made.", refusals=("503",)),
        "/metrics": _metrics(),
    }
    return {path: {"post": operation} for path, operation in posts.items()} | {
        path: {"get": operation} for path, operation in gets.items()
    }


def ref(name: str) -> dict[str, str]:
    """Return the reference to a schema."""
    return {"$ref": REF.format(name=name)}


def json_content(schema: dict[str, Any], example: object = None) -> dict[str, Any]:
    """Return JSON content of a body or answer."""
    return {"application/json": {"schema": schema, **({"example": example} if example is not None else {})}}


def answer(description: str, content: dict[str, Any], code: str = "200") -> dict[str, Any]:
    """Return one answer of an operation."""
    return {"description": description, "headers": {"X-Request-Id": _ID} | _HEADERS.get(code, {}), "content": content}


def refused(code: str) -> dict[str, Any]:
    """Return the answer of a refusal."""
    schema, description = _REFUSALS[code]
    return answer(description, json_content(ref(schema), examples.REFUSALS.get(code)), code)


def _operation(
    tag: str,
    name: str,
    description: str,
    *,
    answers: dict[str, dict[str, Any]],
    body: dict[str, Any] | None = None,
    refusals: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Return one operation.

    Args:
        tag: Group that it is shown in.
        name: Its name, from which that of a generated function is made.
        description: What it does.
        answers: Successful answers by status.
        body: Content of the request, by content type. If omitted, it has none.
        refusals: Statuses of `_REFUSALS` that it can answer; with 401 a key may be needed.
    """
    operation: dict[str, Any] = {
        "tags": [tag],
        "summary": name,
        "description": description,
        "operationId": name.lower().replace(" ", "_"),
        "responses": answers | {code: refused(code) for code in refusals},
        # The administrative scope needs a key always, the others only where keys are configured.
        "security": [] if "401" not in refusals else [{}, *KEYS] if body else KEYS,
    }
    if body:
        operation["requestBody"] = {"required": True, "content": body}
        operation["parameters"] = [{"$ref": "#/components/parameters/RequestId"}]
    return operation


def _predict() -> dict[str, Any]:
    return _operation(
        "Predictions",
        "Predict",
        "Predicts one encounter. Absent columns are unknown; absent drugs mean “No”.",
        answers={"200": answer("The prediction.", json_content(ref("Answer")))},
        body=json_content(ref("Encounter")),
        refusals=_KEYED,
    )


def _predict_batch() -> dict[str, Any]:
    lines = {"schema": _TEXT | {"description": "Any number of lines, answered line by line."}}
    line = {"schema": _TEXT | {"description": "One answer or error per line, in the order of the request."}}
    scored = json_content(ref("Answers")) | dict.fromkeys(_STREAMS, line)
    return _operation(
        "Predictions",
        "Predict batch",
        "Predicts up to 10,000 encounters as JSON, or any number as lines of NDJSON or CSV. "
        "A record that breaks the contract does not refuse the others.",
        answers={"200": answer("Predictions of the valid records, and the errors of the others.", scored)},
        body=json_content(ref("Records")) | dict.fromkeys(_STREAMS, lines),
        refusals=_KEYED,
    )


def _explain() -> dict[str, Any]:
    return _operation(
        "Predictions",
        "Explain",
        "Returns what each column contributed to an estimate (TreeSHAP). These are associations, not causes.",
        answers={"200": answer("The contributions, largest first.", json_content(ref("Explanation")))},
        body=json_content(ref("Encounter")),
        refusals=(*_KEYED, "501"),
    )


def _feedback() -> dict[str, Any]:
    outcomes = {"type": "array", "items": ref("Report"), "minItems": 1, "maxItems": MAX_OUTCOMES}
    settled = {"oneOf": [ref("Recorded"), ref("RecordedMany")]}
    waiting = json_content(ref("Recorded"), {"status": "pending"})
    return _operation(
        "Outcomes",
        "Feedback",
        "Records what happened to a patient, by the id of the prediction. A list of outcomes works too.",
        answers={
            "200": answer("The outcome is stored; of a list, what became of each.", json_content(settled)),
            "202": answer("The outcome waits for its prediction.", waiting),
        },
        body=json_content({"oneOf": [ref("Report"), outcomes]}, examples.BY_TYPE["Report"]),
        refusals=(*_KEYED, "404"),
    )


def _model_info() -> dict[str, Any]:
    return _operation(
        "Model",
        "Model info",
        "Describes the champion and the challenger: metrics, gates, risk bands, operating points.",
        answers={"200": answer("The models that answer.", json_content(ref("ModelInfo")))},
        refusals=("503",),
    )


def _model_card() -> dict[str, Any]:
    operation = _operation(
        "Model",
        "Model card",
        "Returns the champion's model card with its dossier: as a page, as Markdown, or as CHAI's applied model card.",
        answers={
            "200": answer(
                "The card.",
                {kind: {"schema": _TEXT} for kind in ("text/html", "text/markdown", "application/xml")},
            ),
            "400": answer("There is no such form.", json_content(ref("Sentence"), {"error": "format: one of html"})),
            "404": answer("The model has no card.", json_content(ref("Sentence"), {"error": "the model has no card"})),
        },
    )
    form = {"type": "string", "enum": list(CARDS), "default": "html"}
    language = {"type": "string", "enum": ["en", *CARD_PAGES], "default": "en"}
    return operation | {
        "parameters": [
            {"name": "format", "in": "query", "schema": form},
            {"name": "language", "in": "query", "schema": language, "description": "Language of the page."},
        ]
    }


def _health() -> dict[str, Any]:
    state = json_content(ref("Health"))
    return _operation(
        "Operation",
        "Health",
        "Describes the state of every part in words.",
        answers={
            "200": answer("Predictions are answered.", state),
            "503": answer("No prediction can be made.", state),
        },
    )


def _probe(name: str, description: str, refusals: tuple[str, ...] = ()) -> dict[str, Any]:
    ready = {"200": answer("Yes.", json_content(ref("Status")))}
    return _operation("Operation", name, description, answers=ready, refusals=refusals)


def _metrics() -> dict[str, Any]:
    text = {"text/plain": {"schema": _TEXT}}
    return _operation(
        "Operation", "Metrics", "Returns the metrics for Prometheus.", answers={"200": answer("The metrics.", text)}
    )


def _reload() -> dict[str, Any]:
    return _operation(
        "Operation",
        "Reload model",
        "Polls the registry now instead of within seconds. `/reload_model` answers the same.",
        answers={"202": answer("The registry is polled.", json_content(ref("Status")))},
        refusals=("401", "403"),
    )
