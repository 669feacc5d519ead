"""The OpenAPI document, written from the decoder's own types, and a page of it that loads nothing from outside."""

import html
import json
from importlib.metadata import version
from typing import Any

import msgspec
from starlette.responses import HTMLResponse

from readmission import contract
from serving.http import Sentence
from serving.predict.encounter import Encounter, allowed
from serving.predict.predictor import Answer
from serving.routes.explain import Explanation
from serving.routes.feedback import MAX_OUTCOMES, Report
from serving.routes.predict_batch import Answers, Records
from serving.routes.refusals import Refusal

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}
h1{font-size:1.6rem}h2{font-size:1.1rem;margin:2rem 0 .3rem}h2 b{color:#0550ae;margin-right:.6em}
pre{background:#f6f8fa;padding:.8rem;overflow:auto;border-radius:6px;font-size:.85rem}
table{border-collapse:collapse;width:100%;font-size:.85rem}td,th{text-align:left;vertical-align:top;
padding:.3rem .6rem;border-bottom:1px solid #d0d7de;overflow-wrap:anywhere}
@media(prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}pre{background:#161b22}h2 b{color:#79c0ff}}
"""


#: Types of bodies and answers that the document describes.
_TYPES = (Encounter, Records, Answer, Answers, Report, Explanation, Refusal, Sentence)
_REF = "#/components/schemas/{name}"


def _schemas() -> dict[str, Any]:
    """Return the schemas of the types that decode and encode, so that there is no second description."""
    schemas: dict[str, Any]
    _, schemas = msgspec.json.schema_components(_TYPES, ref_template=_REF)
    schemas["Encounter"]["example"] = dict(contract.EXAMPLE)
    return schemas


def _ref(name: str) -> dict[str, str]:
    return {"$ref": _REF.format(name=name)}


def _content(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": _ref(name)}}


def _operation(summary: str, body: dict[str, Any] | None, answers: dict[str, str]) -> dict[str, Any]:
    """Return one operation.

    Args:
        summary: Its name, a colon, and what it does.
        body: Content of the request, by content type.
        answers: Name of the schema of each status; empty if it has none.
    """
    operation: dict[str, Any] = {"summary": summary, "operationId": summary.split(":")[0].lower().replace(" ", "_")}
    if body:
        operation["requestBody"] = {"required": True, "content": body}
    descriptions = {"200": "done", "400": "not allowed", "404": "not known", "413": "too large", "503": "not now"}
    operation["responses"] = {
        code: {"description": descriptions.get(code, code), **({"content": _content(name)} if name else {})}
        for code, name in answers.items()
    }
    return operation


def _posts() -> dict[str, dict[str, Any]]:
    refusals = {"400": "Refusal", "401": "Sentence", "403": "Sentence", "408": "Sentence", "413": "Sentence"}
    usual = {**refusals, "503": "Sentence"}
    encounter = _content("Encounter")
    lines = {"schema": {"type": "string", "description": "Lines of any number; answered line by line."}}
    many = {**_content("Records"), "application/x-ndjson": lines, "text/csv": lines}
    outcomes = {"type": "array", "items": _ref("Report"), "minItems": 1, "maxItems": MAX_OUTCOMES}
    one_or_more = {"application/json": {"schema": {"anyOf": [_ref("Report"), outcomes]}}}
    explained = {"200": "Explanation", "501": "Sentence", **usual}
    recorded = {"200": "", "202": "", "404": "", **usual}
    asked = {"202": "", "401": "Sentence", "403": "Sentence"}
    operations = {
        "/predict": _operation("Predict: one encounter", encounter, {"200": "Answer", **usual}),
        "/predict_batch": _operation("Predict batch: many encounters", many, {"200": "Answers", **usual}),
        "/explain": _operation("Explain: contributions of the columns", encounter, explained),
        "/feedback": _operation("Feedback: what happened", one_or_more, recorded),
        "/reload-model": _operation("Reload model: poll the registry now", None, asked),
    }
    line = {"type": "string", "description": "One answer or error per line, in the order of the request."}
    streams = {"application/x-ndjson": {"schema": line}, "text/csv": {"schema": line}}
    operations["/predict_batch"]["responses"]["200"]["content"] |= streams
    return operations


def _gets() -> dict[str, dict[str, Any]]:
    unavailable = {"200": "", "503": "Sentence"}
    return {
        "/model-info": _operation("Model info: the models that answer", None, unavailable),
        "/model-card": _operation("Model card: page of the champion", None, {"200": "", "404": "Sentence"}),
        "/health": _operation("Health: state of every part", None, {"200": "", "503": ""}),
        "/livez": _operation("Live: the process answers", None, {"200": ""}),
        "/readyz": _operation("Ready: a prediction can be made", None, unavailable),
        "/metrics": _operation("Metrics: for Prometheus", None, {"200": ""}),
    }


def document() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document."""
    info = {
        "title": "Readmission API",
        "version": version("readmission"),
        "license": {"name": "Apache-2.0"},
        "description": "Probability that a diabetic patient is readmitted, by the data set's own columns.",
    }
    paths = {path: {"post": operation} for path, operation in _posts().items()}
    paths |= {path: {"get": operation} for path, operation in _gets().items()}
    key = {"type": "http", "scheme": "bearer", "description": "Needed when the installation has API keys."}
    parts = {"schemas": _schemas(), "securitySchemes": {"key": key}}
    return {"openapi": "3.1.0", "info": info, "paths": paths, "components": parts, "security": [{}, {"key": []}]}


def page() -> HTMLResponse:
    """Return the documentation as one page: operations, an example, and every column with what it may hold."""
    described = document()
    operations = "".join(
        f"<h2><b>{method.upper()}</b><code>{path}</code></h2><p>{html.escape(operation['summary'])}</p>"
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    )
    rows = "".join(
        f"<tr><td><code>{html.escape(c.name)}</code><td>{html.escape(c.label)}"
        f"<td>{'required' if c.required else 'optional'}<td>{html.escape(allowed(c))}"
        for c in contract.REQUEST_COLUMNS
    )
    example = html.escape(json.dumps(dict(contract.EXAMPLE), indent=2))
    body = (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{described['info']['title']}</title>"
        f"<meta name=viewport content='width=device-width'><style>{_STYLE}</style>"
        f"<h1>{described['info']['title']} {described['info']['version']}</h1><p>{described['info']['description']} "
        f"The machine-readable description is <a href=openapi.json>openapi.json</a>.</p>{operations}"
        f"<h2>An encounter</h2><pre>{example}</pre><h2>Columns</h2>"
        f"<table><tr><th>Column<th>Meaning<th>Needed<th>Allowed{rows}</table></html>"
    )
    return html_response(body)


def html_response(page: str | bytes) -> HTMLResponse:
    """Return a page that loads nothing but its own style."""
    return HTMLResponse(page, headers={"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"})
