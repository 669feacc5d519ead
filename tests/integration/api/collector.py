"""A collector of traces that keeps what it receives."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.integration.api.tools import until


class Collector:
    """Receive OTLP over HTTP."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.path == "/v1/traces"
                collector.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def spans(self) -> list[dict[str, Any]]:
        """Return every span received: service, name, trace, id, parent, failed, attributes."""
        return [
            {
                "service": next(a.value.string_value for a in group.resource.attributes if a.key == "service.name"),
                "name": span.name,
                "trace": span.trace_id.hex(),
                "id": span.span_id.hex(),
                "parent": span.parent_span_id.hex(),
                "failed": span.status.code == 2,
                "told": span.status.message,
                "events": len(span.events),
                **{a.key: a.value.string_value or a.value.int_value or a.value.double_value for a in span.attributes},
            }
            for body in list(self.bodies)
            for group in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in group.scope_spans
            for span in scope.spans
        ]

    def span(self, name: str, **fields: object) -> dict[str, Any]:
        """Wait for a span of that name and return it."""
        fits = lambda s: s["name"] == name and all(s[key] == value for key, value in fields.items())  # noqa: E731
        return until(lambda: next((s for s in self.spans() if fits(s)), None), 30)
