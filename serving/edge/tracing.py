"""Tracing of requests: a span each, its trace id in the answer and in one log line. Installed only if it is configured.

The middleware stands in front of everything, so that the lean route and BentoML's own are in one trace. Probes and
scrapes are left out. It is written by hand because span names must be bounded: opentelemetry-instrumentation-asgi
puts the URL into the span, which may hold a patient's data, and BentoML's middleware costs about 250 us per request
(measured in November 2026), more than a prediction.
"""

import logging
from collections.abc import Collection
from time import perf_counter
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from readmission import tracing

_QUIET = frozenset({"/livez", "/readyz", "/health", "/metrics"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
log = logging.getLogger(__name__)


class Traced:
    """Middleware that traces the application inside.

    Args:
        inner: The API.
        paths: Its paths. Any other path is named "other", since a URL may hold anything.
    """

    def __init__(self, inner: ASGIApp, paths: Collection[str]) -> None:
        self._inner = inner
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI connection."""
        if scope["type"] != "http" or scope["path"] in _QUIET:
            await self._inner(scope, receive, send)
            return
        began, status = perf_counter(), 0
        route = scope["path"] if scope["path"] in self._paths else "other"
        method = scope["method"] if scope["method"] in _METHODS else "other"
        parent = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in scope["headers"]
            if name in (b"traceparent", b"tracestate")
        }
        attributes = {"http_request_method": method, "http_route": route}
        with tracing.span(f"{method} {route}", "SERVER", parent, **attributes) as span:
            header = (b"x-trace-id", tracing.trace_id(span).encode())

            async def answer(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                    message["headers"] = [*message.get("headers", ()), header]
                await send(message)

            await self._inner(scope, receive, answer)
            span.set_attribute("http.response.status_code", status)
            if status >= 500:
                _failed(span)
            if span.is_recording():
                log.info("%s %s: %d in %.1f ms", method, route, status, 1000 * (perf_counter() - began))


def _failed(span: Any) -> None:
    from opentelemetry.trace import Status, StatusCode

    span.set_status(Status(StatusCode.ERROR))
