"""Answer to one encounter, and its encoder."""

from typing import Annotated

import msgspec
from msgspec import Meta

from readmission.contract import CLASSES
from serving.predict.known_scores import Points

Share = Annotated[float, Meta(ge=0, le=1)]
PredictionId = Annotated[str, Meta(extra_json_schema={"format": "uuid"})]


class ClassProbabilities(msgspec.Struct, gc=False, rename=dict(zip(("no", "late", "early"), CLASSES, strict=True))):
    """Probabilities under the names of the classes."""

    no: Share
    late: Share
    early: Share


class Answer(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """Answer to one encounter, as docs/api.md describes it."""

    prediction_id: PredictionId
    prediction: Annotated[str, Meta(extra_json_schema={"enum": list(CLASSES)})]
    probabilities: ClassProbabilities
    readmission_risk_30d: Share
    risk_band: Annotated[str, Meta(description="Name of the band, of this model version; empty if it has none.")]
    model_name: str
    model_version: str
    missing: Annotated[list[str], Meta(description="Absent fields; for drugs and lab tests this means none given.")]
    timestamp: Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
    notes: list[str] | None = None
    known_scores: Annotated[list[Points], Meta(description="Only if the query asks for it.")] | None = None


encode = msgspec.json.Encoder().encode
