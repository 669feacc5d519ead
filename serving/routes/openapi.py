"""Write the OpenAPI document from the contract, and show it on a page that loads nothing from outside."""

import html
import json
from importlib.metadata import version
from typing import Any

from starlette.responses import HTMLResponse

from readmission import contract
from readmission.contract import Column
from serving.predict import encounter

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}
h1{font-size:1.6rem}h2{font-size:1.1rem;margin:2rem 0 .3rem}h2 b{color:#0550ae;margin-right:.6em}
pre{background:#f6f8fa;padding:.8rem;overflow:auto;border-radius:6px;font-size:.85rem}
table{border-collapse:collapse;width:100%;font-size:.85rem}td,th{text-align:left;vertical-align:top;
padding:.3rem .6rem;border-bottom:1px solid #d0d7de;overflow-wrap:anywhere}
@media(prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}pre{background:#161b22}h2 b{color:#79c0ff}}
"""


def _schema(column: Column) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "integer" if column.is_number else "string"}
    if column.levels:
        unknown = [contract.MISSING_TOKEN] if column.nullable and column.is_text else []
        found["enum"] = [*column.values(), *unknown]
    elif column.pattern:
        found["pattern"] = rf"^({column.pattern}|\?)$"
    else:
        found |= {"minimum": column.minimum, "maximum": column.maximum}
    if not column.required:
        found["type"] = [found["type"], "null"]
        if "enum" in found:
            found["enum"] = [*found["enum"], None]
    assumed = f" Absent: {column.assumed or 'unknown'}." if not column.required else ""
    return {**found, "description": f"{column.label}.{assumed}"}


def _encounter() -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [c.name for c in contract.REQUEST_COLUMNS if c.required],
        "properties": {c.name: _schema(c) for c in contract.REQUEST_COLUMNS},
        "example": dict(contract.EXAMPLE),
    }


def _object(required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required.split(), "properties": properties}


def _schemas() -> dict[str, Any]:
    text, number = {"type": "string"}, {"type": "number"}
    share = {"type": "number", "minimum": 0, "maximum": 1}
    problem = _object(
        "field problem allowed", field=text, allowed=text,
        problem={"enum": ["missing", "unknown", "type", "range", "level", "pattern", "json", "size"]},
    )  # fmt: skip
    problems = {"type": "array", "items": {"$ref": "#/components/schemas/Problem"}}
    answer = _object(
        "prediction_id prediction probabilities readmission_risk_30d risk_band model_name model_version missing"
        " timestamp",
        prediction_id={"type": "string", "format": "uuid"},
        prediction={"enum": list(contract.CLASSES)},
        probabilities=_object(" ".join(contract.CLASSES), **dict.fromkeys(contract.CLASSES, share)),
        readmission_risk_30d=share,
        risk_band={"type": "string", "description": "Name of the band, of this model version; empty: it has none."},
        model_name=text, model_version=text,
        missing={"type": "array", "items": text, "description": "Absent fields; drugs and lab tests: none given."},
        timestamp={"type": "string", "format": "date-time"},
        notes={"type": "array", "items": text},
    )  # fmt: skip
    failed = _object("index errors", index={"type": "integer"}, errors=problems)
    answers = _object(
        "predictions errors model_name model_version",
        predictions={"type": "array", "items": {"$ref": "#/components/schemas/Answer"}},
        errors={"type": "array", "items": failed}, model_name=text, model_version=text,
    )  # fmt: skip
    outcome = _object(
        "prediction_id outcome", prediction_id={"type": "string", "format": "uuid"},
        outcome={"enum": list(contract.CLASSES)}, observed_at={"type": "string", "format": "date-time"},
    )  # fmt: skip
    outcome["additionalProperties"] = False
    explanation = _object(
        "unit base margin contributions", unit={"enum": ["log_odds", "margin", "probability"]}, base=number,
        margin=number, contributions={"type": "object", "additionalProperties": number},
    )  # fmt: skip
    return {
        "Encounter": _encounter(), "Answer": answer, "Answers": answers, "Problem": problem,
        "Refusal": _object("errors", errors=problems), "Outcome": outcome, "Explanation": explanation,
        "Sentence": _object("error", error=text),
    }  # fmt: skip


def _content(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}


def _operation(summary: str, body: dict[str, Any] | None, answers: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {"summary": summary, "operationId": summary.split(":")[0].lower().replace(" ", "_")}
    if body:
        found["requestBody"] = {"required": True, "content": body}
    words = {"200": "done", "400": "not allowed", "404": "not known", "413": "too large", "503": "not now"}
    found["responses"] = {
        code: {"description": words.get(code, code), **({"content": _content(name)} if name else {})}
        for code, name in answers.items()
    }
    return found


def document() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document."""
    refusals = {"400": "Refusal", "401": "Sentence", "403": "Sentence", "408": "Sentence", "413": "Sentence"}
    usual = {**refusals, "503": "Sentence"}
    records = {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Encounter"}}
    batch = _object("records", records=records)
    batch["additionalProperties"] = False
    lines = {"schema": {"type": "string", "description": "Lines of any number; answered line by line."}}
    many = {"application/json": {"schema": batch}, "application/x-ndjson": lines, "text/csv": lines}
    one_or_more = {"anyOf": [{"$ref": "#/components/schemas/Outcome"}, {"type": "array"}]}
    plain = {"200": ""}
    told = {"type": "string", "description": "An answer or an error a line, in the order of the request."}
    streams = {"application/x-ndjson": {"schema": told}, "text/csv": {"schema": told}}
    paths: dict[str, Any] = {
        "/predict": {"post": _operation("Predict: one encounter", _content("Encounter"), {"200": "Answer", **usual})},
        "/predict_batch": {"post": _operation("Predict batch: many encounters", many, {"200": "Answers", **usual})},
        "/explain": {"post": _operation("Explain: contributions of the columns", _content("Encounter"),
                                        {"200": "Explanation", "501": "Sentence", **usual})},
        "/feedback": {"post": _operation("Feedback: what happened", {"application/json": {"schema": one_or_more}},
                                         {"200": "", "202": "", "404": "", **usual})},
        "/reload-model": {"post": _operation("Reload model: look at the registry now", None,
                                             {"202": "", "401": "Sentence", "403": "Sentence"})},
        "/model-info": {"get": _operation("Model info: what answers", None, {"200": "", "503": "Sentence"})},
        "/model-card": {"get": _operation("Model card: of what answers, a page", None, {"200": "", "404": "Sentence"})},
        "/health": {"get": _operation("Health: state of every part", None, {"200": "", "503": ""})},
        "/livez": {"get": _operation("Live: the process answers", None, plain)},
        "/readyz": {"get": _operation("Ready: a prediction can be made", None, {"200": "", "503": "Sentence"})},
        "/metrics": {"get": _operation("Metrics: for Prometheus", None, plain)},
    }  # fmt: skip
    paths["/predict_batch"]["post"]["responses"]["200"]["content"] |= streams
    info = {
        "title": "Readmission API", "version": version("readmission"), "license": {"name": "Apache-2.0"},
        "description": "Probability that a diabetic patient is readmitted, by the data set's own columns.",
    }  # fmt: skip
    key = {"type": "http", "scheme": "bearer", "description": "Needed when the installation has API keys."}
    parts = {"schemas": _schemas(), "securitySchemes": {"key": key}}
    return {"openapi": "3.1.0", "info": info, "paths": paths, "components": parts, "security": [{}, {"key": []}]}


def page() -> HTMLResponse:
    """Return the documentation as one page: operations, an example, every column with what it may hold."""
    told = document()
    operations = "".join(
        f"<h2><b>{method.upper()}</b><code>{path}</code></h2><p>{html.escape(operation['summary'])}</p>"
        for path, methods in told["paths"].items()
        for method, operation in methods.items()
    )
    rows = "".join(
        f"<tr><td><code>{html.escape(c.name)}</code><td>{html.escape(c.label)}"
        f"<td>{'required' if c.required else 'optional'}<td>{html.escape(encounter.allowed(c))}"
        for c in contract.REQUEST_COLUMNS
    )
    example = html.escape(json.dumps(dict(contract.EXAMPLE), indent=2))
    body = (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{told['info']['title']}</title>"
        f"<meta name=viewport content='width=device-width'><style>{_STYLE}</style>"
        f"<h1>{told['info']['title']} {told['info']['version']}</h1><p>{told['info']['description']} "
        f"The machine-readable description is <a href=openapi.json>openapi.json</a>.</p>{operations}"
        f"<h2>An encounter</h2><pre>{example}</pre><h2>Columns</h2>"
        f"<table><tr><th>Column<th>Meaning<th>Needed<th>Allowed{rows}</table></html>"
    )
    return html_response(body)


def html_response(page: str | bytes) -> HTMLResponse:
    """Return a page that loads nothing but its own style."""
    return HTMLResponse(page, headers={"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"})
