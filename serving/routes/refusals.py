"""Answers to requests that are refused, the same for every route."""

from collections.abc import Sequence

import msgspec
from starlette.responses import Response

from serving import http, metrics
from serving.http import JsonResponse, Refused
from serving.metrics import Metrics
from serving.predict.encounter import Invalid, Problem
from serving.predict.predictor import Unavailable

REFUSALS = (Invalid, Unavailable, Refused)


class Refusal(msgspec.Struct):
    """Problems of a request."""

    errors: Sequence[Problem]


def refuse(refusal: Invalid | Unavailable | Refused, counts: Metrics) -> Response:
    """Return the answer to a refused request, and count it.

    Args:
        refusal: Why the request is refused.
        counts: Metrics of this worker.
    """
    match refusal:
        case Invalid():
            counts.refused(refusal.problems)
            return JsonResponse(Refusal(refusal.problems), 400)
        case Unavailable():
            return http.sentence(503, str(refusal), {"retry-after": "5"})
        case Refused():
            metrics.rejected.labels(refusal.reason).inc()
            return refusal.response


def wrong_method(path: str, allowed: str) -> Refused:
    """Return the refusal of a method that a route does not take.

    Args:
        path: Path of the route.
        allowed: Its methods, separated by commas.
    """
    return Refused(http.sentence(405, f"{path} takes {allowed}", {"allow": allowed}), "method")
