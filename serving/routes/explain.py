"""POST /explain: what each raw column contributed to an answer."""

import asyncio
from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from serving import http
from serving.edge.admission import Places
from serving.http import JsonResponse
from serving.predict import encounter
from serving.predict.encounter import Aliased
from serving.predict.predictor import Predictor

#: Requests that may be explained or wait for it; a large forest takes 100 ms for each.
PLACES = 32


class Explanation(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Contributions of the raw columns to one answer, largest first; with the base they add up to the margin."""

    unit: Annotated[str, Meta(extra_json_schema={"enum": ["log_odds", "margin", "probability"]})]
    base: float
    contributions: Mapping[str, float]
    margin: Annotated[float, Meta(description="Sum of the base and all contributions.")]
    model_name: str
    model_version: str
    missing: list[str]
    notes: list[str] | None = None


class Explain:
    """Route POST /explain.

    Args:
        predictor: Models of this worker.
        max_body: Largest body in bytes.
    """

    def __init__(self, predictor: Predictor, max_body: int) -> None:
        self._predictor, self._max_body = predictor, max_body
        self._places = Places(PLACES)

    async def answer(self, request: Request) -> Response:
        """Explain one encounter."""
        body = await http.whole_body(request.receive, self._max_body)
        values = encounter.decode(body)
        model, _ = self._predictor.choose(values, http.request_id(request.headers.raw), body)
        # Not in the event loop, where all others would wait.
        with self._places:
            attribution = await asyncio.to_thread(model.scorer.explain, values)
        if attribution is None:
            family = model.scorer.manifest.family
            return http.sentence(501, f"models of family {family} are served without contributions")
        self._predictor.record_access(body, values, model, http.request_id(request.headers.raw), "/explain")
        ordered = sorted(attribution.contributions.items(), key=lambda pair: -abs(pair[1]))
        return JsonResponse(
            Explanation(
                unit=attribution.unit,
                base=attribution.base,
                contributions=dict(ordered),
                margin=attribution.margin,
                model_name=model.name,
                model_version=model.version,
                missing=encounter.missing(values),
                notes=values.notes if isinstance(values, Aliased) else None,
            )
        )
