"""Explain an answer: what each raw column added to it."""

import asyncio

from serving import http
from serving.http import Receive, Reply, Scope, Send
from serving.predict import encounter
from serving.predict.encounter import Invalid
from serving.predict.predictor import Predictor


class Explain:
    """Answer POST /explain.

    Args:
        predictor: whose champion explains.
        max_body: bytes of the request.
    """

    def __init__(self, predictor: Predictor, max_body: int) -> None:
        self._predictor, self._max_body = predictor, max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send, given: bytes) -> Reply:
        """Return base, contributions by raw column (largest first) and margin, which is their sum."""
        body = await http.whole_body(receive, self._max_body)
        try:
            values = encounter.decode(body)
        except Invalid as invalid:
            self._predictor.metrics.refused(invalid.problems)
            return http.reply(400, {"errors": invalid.problems})
        model, _ = self._predictor.choose(values, given, body)
        # A large forest takes 100 ms: not in the event loop.
        told = await asyncio.to_thread(model.scorer.explain, values)
        if told is None:
            family = model.scorer.manifest.family
            return http.sentence(501, f"models of family {family} are served without contributions")
        ordered = sorted(told.contributions.items(), key=lambda pair: -abs(pair[1]))
        return http.reply(
            200,
            {
                "unit": told.unit,
                "base": told.base,
                "contributions": dict(ordered),
                "margin": told.margin,
                "model_name": model.name,
                "model_version": model.version,
                "missing": encounter.missing(values),
            },
        )
