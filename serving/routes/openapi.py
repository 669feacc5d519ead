"""The OpenAPI document, written from the types that decode and encode, so that there is no second description.

Only what JSON schema says worse than the generators of clients need is rewritten: lists of allowed values become shared
components (`Dose`, `Outcome`), and the probabilities become a map, because `<30` and `>30` are no names of attributes.
"""

from importlib.metadata import version
from typing import Any

import msgspec

from readmission.contract import CLASSES, codes
from serving.http import Sentence
from serving.predict.answers import Answer
from serving.predict.encounter import Encounter
from serving.routes import clinical_operations, examples
from serving.routes.explain import Explanation
from serving.routes.feedback import Report
from serving.routes.operations import REF, operations, ref
from serving.routes.predict_batch import Answers, Records
from serving.routes.refusals import Refusal
from serving.routes.states import Health, ModelInfo, Recorded, RecordedMany, Status
from serving.routes.worklist import Worklist

#: Types of bodies and answers that the document describes.
TYPES = (
    Encounter,
    Records,
    Answer,
    Answers,
    Report,
    Recorded,
    RecordedMany,
    Explanation,
    ModelInfo,
    Health,
    Status,
    Worklist,
    Refusal,
    Sentence,
)
_TAGS = {
    "Predictions": "One encounter, many encounters, and what moved an estimate.",
    "Outcomes": "What happened to a patient, for the measurement of live quality.",
    "Record systems": "CDS Hooks and FHIR R4; docs/clinic.md says how to register the service.",
    "Model": "Which model answers, and how good it is.",
    "Operation": "Probes, metrics, and the poll of the registry.",
}
_REQUEST_ID = {
    "name": "X-Request-Id",
    "in": "header",
    "description": "Id of the request in logs, in the prediction log and in the answer; up to 64 plain characters.",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,64}$"},
}


def document() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document."""
    info = {
        "title": "Readmission API",
        "version": version("readmission"),
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        "description": (
            "The probability that a diabetic patient is readmitted within 30 days, after 30 days or not at all, from "
            "the columns of the UCI data set. [What each column may hold](docs/columns)."
        ),
    }
    return {
        "openapi": "3.1.0",
        "info": info,
        "servers": [{"url": "/", "description": "This installation."}],
        "tags": [{"name": name, "description": description} for name, description in _TAGS.items()],
        "paths": operations() | clinical_operations.operations(),
        "components": {
            "schemas": _schemas(),
            "parameters": {"RequestId": _REQUEST_ID},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "A key, if the installation has keys."},
                "jwt": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "Signed by a client.",
                },
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same key."},
            },
        },
    }


def _schemas() -> dict[str, Any]:
    """Return the schemas of the types, with shared lists of values and the probabilities as a map."""
    schemas: dict[str, Any]
    _, schemas = msgspec.json.schema_components(TYPES, ref_template=REF)
    share = {"type": "number", "minimum": 0, "maximum": 1}
    schemas["ClassProbabilities"] = {
        "title": "ClassProbabilities",
        "description": f"Probability of each class: {', '.join(CLASSES)}.",
        "type": "object",
        "additionalProperties": share,
        "propertyNames": {"enum": list(CLASSES)},
        "required": list(CLASSES),
    }
    shared: dict[str, Any] = {}
    for schema in (schemas["Encounter"], schemas["Answer"], schemas["Report"]):
        for name, field in schema["properties"].items():
            _share_values(name, field, shared)
    schemas |= shared
    for name, example in examples.BY_TYPE.items():
        schemas[name]["examples"] = [example]
    return schemas


def _share_values(name: str, field: dict[str, Any], shared: dict[str, Any]) -> None:
    """Replace a list of allowed values in a field by a reference to a component, which others with the list share."""
    holder = field.get("anyOf", [field])
    values = holder[0].get("enum")
    if values is None:
        return
    if set(values) == set(CLASSES):
        title = "Outcome"
    elif set(values) == set(codes.DOSES):
        title = "Dose"
    else:
        title = "".join(part[:1].upper() + part[1:] for part in name.replace("_id", "").split("_"))
    kind = "integer" if isinstance(values[0], int) else "string"
    shared[title] = {"title": title, "type": kind, "enum": values}
    reference = ref(title)
    if "anyOf" in field:
        field["anyOf"][0] = reference
    else:
        # A reference with neighbours is split, because generators read a reference alone.
        kept = {key: value for key, value in field.items() if key in ("description", "title")}
        field.clear()
        field.update({"allOf": [reference], **kept} if kept else reference)
