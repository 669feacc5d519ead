"""Trace requests and steps to an OpenTelemetry collector; without READMISSION_TRACE_ENDPOINT nothing is imported.

Spans name routes, verbs, counts and times; never a patient's value, and no message of an exception, which may hold one.
"""

import contextlib
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any, Literal

from readmission.logs import TRACE
from readmission.settings import Settings

_PREFIX = "readmission."
#: Seconds that one export may take: a step does not wait longer for a collector that is away.
_TIMEOUT = 5
_provider: Any = None
_counts: ContextVar[dict[str, float] | None] = ContextVar("counts", default=None)


def start(settings: Settings, service: str) -> bool:
    """Send the spans of this process to the collector of the settings; tell whether there is one.

    Args:
        settings: Settings with the endpoint and the share.
        service: `service.name` of the spans.
    """
    global _provider
    if not settings.trace.endpoint:
        return False
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    _provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(settings.trace.share)),
        resource=Resource.create({"service.name": service}),
    )
    exporter = OTLPSpanExporter(endpoint=endpoint(settings), timeout=_TIMEOUT)
    _provider.add_span_processor(BatchSpanProcessor(exporter))
    return True


def endpoint(settings: Settings) -> str:
    """Return where the collector takes traces: OTLP over HTTP, its path `/v1/traces` added where it is absent."""
    url = settings.trace.endpoint.rstrip("/")
    return url if url.endswith("/v1/traces") else f"{url}/v1/traces"


def stop() -> None:
    """Send what is left, for a few seconds at most."""
    global _provider
    if _provider is not None:
        _provider.shutdown()
        _provider = None


@contextlib.contextmanager
def span(
    name: str,
    kind: Literal["INTERNAL", "SERVER", "CLIENT"] = "INTERNAL",
    parent: Mapping[str, str] | None = None,
    **attributes: str | int,
) -> Iterator[Any]:
    """Trace what is done inside; give the span, or None where nothing is traced.

    An exception marks it as failed, by the exception's class alone.

    Args:
        name: Name from a bounded set: a route, a verb.
        kind: The caller's side (CLIENT), the answering side (SERVER), or neither.
        parent: Headers that may hold a `traceparent`.
        attributes: Attributes, with `_` for `.` in their names.
    """
    if _provider is None:
        yield None
        return
    from opentelemetry.trace import SpanKind, Status, StatusCode
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    context = TraceContextTextMapPropagator().extract(parent) if parent else None
    named = {key.replace("_", "."): value for key, value in attributes.items()}
    counts: dict[str, float] = {}
    with _provider.get_tracer(__name__).start_as_current_span(
        name, context, SpanKind[kind], named, record_exception=False, set_status_on_exception=False
    ) as current:
        trace, counted = TRACE.set(trace_id(current)), _counts.set(counts)
        try:
            yield current
        except BaseException as error:
            current.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise
        finally:
            current.set_attributes({_PREFIX + key: value for key, value in counts.items()})
            _counts.reset(counted)
            TRACE.reset(trace)


def trace_id(current: Any) -> str:
    """Return a span's trace id: 32 hexadecimal digits."""
    return f"{current.get_span_context().trace_id:032x}"


def count(**numbers: float) -> None:
    """Add numbers, such as rows, to the span of what is being done; without one nothing happens."""
    counts = _counts.get()
    if counts is not None:
        for name, number in numbers.items():
            counts[name] = counts.get(name, 0) + number


def outgoing() -> dict[str, str]:
    """Return the headers that tell a called service of the current span; empty where nothing is traced."""
    headers: dict[str, str] = {}
    if _provider is not None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        TraceContextTextMapPropagator().inject(headers)
    return headers
