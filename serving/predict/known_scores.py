"""Scores that clinicians know, beside an answer: computed only for a request that asks for them."""

from typing import Annotated
from urllib.parse import parse_qs

import msgspec
from msgspec import Meta

from readmission import contract
from readmission.features.known_scores import SCORES, known_scores
from serving.predict.encounter import Invalid, Problem, Values

#: Query parameter that asks for more than the prediction, and its only value.
PARAMETER, KNOWN_SCORES = "include", "known_scores"


class Points(msgspec.Struct, kw_only=True):
    """Points of one score, with what the data lacks of it."""

    name: Annotated[str, Meta(extra_json_schema={"enum": list(SCORES)})]
    label: str
    points: Annotated[int, Meta(description="Higher is riskier; an absent field adds none.")]
    maximum: Annotated[int | None, Meta(description="Most points that the fields of a request allow; null: no limit.")]
    limits: Annotated[str, Meta(description="What the score is here; show it beside the points.")]


def asks_for_scores(query: bytes) -> bool:
    """Whether a query string asks for the known scores.

    Raises:
        Invalid: It asks for something else.
    """
    includes = parse_qs(query.decode("latin-1")).get(PARAMETER, [])
    if set(includes) - {KNOWN_SCORES}:
        raise Invalid([Problem(PARAMETER, "level", f"the query parameter {PARAMETER}={KNOWN_SCORES}, or none")])
    return bool(includes)


def describe_scores(values: Values) -> list[Points]:
    """Return the points of one encounter, as `encounter.decode` returned it."""
    points = known_scores(dict(zip(contract.FEATURE_NAMES, values, strict=False)))
    return [
        Points(name=name, label=score.label, points=points[name], maximum=score.maximum, limits=score.limits)
        for name, score in SCORES.items()
    ]
