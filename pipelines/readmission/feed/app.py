"""The feed's HTTP service: batches by cursor, within opening hours, resumable to the byte."""

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from readmission.feed.chunks import Chunks, Form
from readmission.feed.schedule import Schedule, Window
from readmission.files import write_atomic

Endpoint = Callable[[Request], Awaitable[Response]]
MEDIA: dict[Form, str] = {"csv": "text/csv; charset=utf-8", "ndjson": "application/x-ndjson"}


@dataclass(kw_only=True)
class Feed:
    """HTTP service of the batches of one source.

    Attributes:
        chunks: Batches of the source.
        batch_size: Rows of a full batch.
        window: Opening hours. If None, day and night.
        interval: Time between two batches. If zero, all come at once.
        token: Token that POST /reset requires. If None, it refuses everybody.
        memory: File with the moment at which the first batch was released, so that a restart changes nothing.
        clock: Function that returns the present moment, with its time zone.
    """

    chunks: Chunks
    batch_size: int
    window: Window | None = None
    interval: timedelta = timedelta(0)
    token: str | None = None
    memory: Path
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        if not self.memory.exists():
            self.restart()
        self.requests = Counter(
            "readmission_feed_requests", "Requests answered.", ["route", "code"], registry=self.registry
        )
        for name, text, value in (
            ("batches", "Batches of the source.", lambda: len(self.chunks.rows)),
            (
                "available_batches",
                "Batches given free by now.",
                lambda: self.schedule.available(self.clock()),
            ),
            ("open", "1 within opening hours.", lambda: float(self.is_open())),
        ):
            Gauge(f"readmission_feed_{name}", text, registry=self.registry).set_function(value)

    def restart(self) -> None:
        """Give the first batch free now, and the others after it."""
        write_atomic(self.memory, self.clock().isoformat())

    @property
    def schedule(self) -> Schedule:
        """Return the schedule that began at the last restart."""
        started = datetime.fromisoformat(self.memory.read_text())
        return Schedule(started, self.interval, len(self.chunks.rows))

    def is_open(self) -> bool:
        """Return whether the feed is open now."""
        return self.window is None or self.window.is_open(self.clock())

    def app(self) -> Starlette:
        """Return the ASGI application."""
        endpoints: list[tuple[str, Endpoint]] = [
            ("/batches/next", self.next_batch),
            ("/get_data", self.newest_batch),
            ("/status", self.status),
            ("/metrics", self.metrics),
            ("/livez", self.livez),
            ("/readyz", self.readyz),
        ]
        routes = [Route(path, self._counted(path, endpoint)) for path, endpoint in endpoints]
        routes.append(Route("/reset", self._counted("/reset", self.reset), methods=["POST"]))
        return Starlette(routes=routes)

    async def next_batch(self, request: Request) -> Response:
        """Answer with the batch after the cursor, or 204 when there is none (yet)."""
        text = request.query_params.get("after", "0")
        if not (text.isascii() and text.isdigit()):
            return _problem("after", "this is not a cursor", "0, or the number of a batch already taken")
        return await self._send(request, int(text) + 1)

    async def newest_batch(self, request: Request) -> Response:
        """Answer with the newest batch that exists, for a client that keeps no cursor."""
        return await self._send(request, max(1, self.schedule.available(self.clock())))

    async def status(self, request: Request) -> Response:
        """Describe the feed: hours, batches, what comes when."""
        now, schedule = self.clock(), self.schedule
        available = schedule.available(now)
        more = available < schedule.total
        numbers = range(1, available + 1)
        hashes = await asyncio.to_thread(lambda: [self.chunks.get(n, "csv", compressed=False).sha256 for n in numbers])
        return JSONResponse(
            {
                "open": self.is_open(),
                "opens_at": self.window.next_opening(now).isoformat() if self.window else None,
                "source_sha256": self.chunks.source_sha256,
                "synthetic": self.chunks.synthetic,
                "batch_size": self.batch_size,
                "batches": schedule.total,
                "rows": list(self.chunks.rows),
                "batch_sha256": hashes,
                "available": available,
                "next_at": schedule.available_at(available + 1).isoformat() if more else None,
                "interval_seconds": self.interval.total_seconds(),
                "started": schedule.started.isoformat(),
            }
        )

    async def reset(self, request: Request) -> Response:
        """Begin again with the first batch; asks for `Authorization: Bearer <token>`."""
        if self.token is None:
            return _error(403, "Resetting is off: READMISSION_FEED_TOKEN is not set.")
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(token.encode(), self.token.encode()):
            return _error(401, "The token is missing or wrong.", {"WWW-Authenticate": "Bearer"})
        self.restart()
        return await self.status(request)

    async def metrics(self, request: Request) -> Response:
        """Answer with Prometheus metrics."""
        return Response(generate_latest(self.registry), media_type=CONTENT_TYPE_LATEST)

    async def livez(self, request: Request) -> Response:
        """Answer that the process is alive."""
        return JSONResponse({"live": True})

    async def readyz(self, request: Request) -> Response:
        """Answer whether the batches and the stored schedule are there."""
        ready = (self.chunks.folder / "0001.csv").is_file() and self.memory.is_file()
        return JSONResponse({"ready": ready}, 200 if ready else 503)

    async def _send(self, request: Request, number: int) -> Response:
        now, schedule = self.clock(), self.schedule
        if self.window and not self.window.is_open(now):
            opens = self.window.next_opening(now)
            return _error(
                503,
                f"The feed is closed until {opens.isoformat()}.",
                _retry(opens - now),
                opens_at=opens.isoformat(),
            )
        if number > schedule.total:
            return Response(status_code=204, headers={"X-Feed-Complete": "true"})
        if number > schedule.available(now):
            wait = schedule.available_at(number) - now
            return Response(status_code=204, headers={"X-Feed-Complete": "false", **_retry(wait)})
        form = _form(request)
        if form is None:
            return _problem("format", "is not known", "csv, ndjson")
        compressed = "gzip" in request.headers.get("accept-encoding", "")
        chunk = await asyncio.to_thread(self.chunks.get, number, form, compressed)
        headers = {
            "ETag": f'"{chunk.sha256}"',
            "X-Batch": str(number),
            "X-Batch-Rows": str(self.chunks.rows[number - 1]),
            "X-Batch-Last": str(number == schedule.total).lower(),
            "Link": f'</batches/next?after={number}>; rel="next"',
            "Vary": "Accept, Accept-Encoding",
            "Cache-Control": "no-cache",
        } | ({"Content-Encoding": "gzip"} if compressed else {})
        if headers["ETag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return FileResponse(chunk.path, headers=headers, media_type=MEDIA[form])

    def _counted(self, route: str, endpoint: Endpoint) -> Endpoint:
        @wraps(endpoint)
        async def counted(request: Request) -> Response:
            response = await endpoint(request)
            self.requests.labels(route, response.status_code).inc()
            return response

        return counted


def _form(request: Request) -> Form | None:
    asked = request.query_params.get("format")
    if asked is None:
        return "ndjson" if "ndjson" in request.headers.get("accept", "") else "csv"
    return asked if asked in MEDIA else None


def _retry(wait: timedelta) -> dict[str, str]:
    return {"Retry-After": str(max(1, round(wait.total_seconds() + 0.5)))}


def _problem(name: str, problem: str, allowed: str) -> Response:
    return JSONResponse({"errors": [{"field": name, "problem": problem, "allowed": allowed}]}, 400)


def _error(status: int, sentence: str, headers: dict[str, str] | None = None, **more: Any) -> Response:
    return JSONResponse({"error": sentence, **more}, status, headers)
