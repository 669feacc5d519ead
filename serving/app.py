"""The API as one ASGI application in front of BentoML's: the hot route first, everything else by a table.

`POST /predict` is answered inline in the event loop: decoding, scoring and the answer take less than a switch
of threads would. What is unknown here goes on to BentoML (its `/schema.json`).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

from serving import http, metrics
from serving.edge.admission import BUSY, Turnstile
from serving.edge.auth import Guard, Scope
from serving.edge.drain import Drain, closing
from serving.http import Application, Receive, Refused, Reply, Send
from serving.predict.encounter import Invalid
from serving.predict.predictor import Answer, Predictor, Unavailable, encode

Handler = Callable[[http.Scope, Receive, Send, bytes], Awaitable[Reply | None]]
log = logging.getLogger(__name__)


class Api:
    """Answer requests.

    Args:
        fallback: what answers paths that are not ours.
        predictor: scores and keeps the books.
        guard: keys; asked before anything is read.
        drain: while it goes on, every answer ends its connection.
        max_body: bytes of one encounter's request.
        max_waiting: requests that may wait at once; the rest is turned away.
    """

    def __init__(
        self, fallback: Application, predictor: Predictor, guard: Guard, drain: Drain, *,
        max_body: int, max_waiting: int,
    ) -> None:  # fmt: skip
        self._fallback = fallback
        self._predictor = predictor
        self._guard = guard
        self._drain = drain
        self._max_body = max_body
        self._turnstile = Turnstile(max_waiting)
        self._careful = predictor.wait_for_disk or predictor.refuse_when_full
        self._slow = 0
        self._thread = ThreadPoolExecutor(1, "score")
        #: path -> method -> (scope of keys, handler).
        self.routes: dict[str, dict[str, tuple[Scope | None, Handler]]] = {"/predict": {"POST": ("predict", self._hot)}}

    async def __call__(self, scope: http.Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI connection."""
        if scope["type"] != "http":
            await self._fallback(scope, receive, send)
            return
        if self._drain.begun:
            send = closing(send)
        if scope["path"] == "/predict" and scope["method"] == "POST":
            await self._predict(scope, receive, send)
        else:
            await self._other(scope, receive, send)

    async def _predict(self, scope: http.Scope, receive: Receive, send: Send) -> None:
        started = perf_counter()
        given = http.request_id(scope["headers"])
        try:
            place = self._turnstile.enter()
            if place is not None:
                await place
            if self._guard.active:
                self._guard.check(scope["headers"], "predict")
            message = await receive()
            body = message.get("body", b"")
            if len(body) > self._max_body:
                raise http.too_large(self._max_body)
            if message.get("more_body", False):
                body = await http.whole_body(receive, self._max_body, body)
            answer = self._predictor.one(body, given, started)
            if not isinstance(answer, Answer):
                answer = await self._slowly(body, answer, given, started)
            if self._careful:
                await self._predictor.settle()
        except Invalid as invalid:
            self._predictor.metrics.refused(invalid.problems)
            await self._finish(send, http.reply(400, {"errors": invalid.problems}), given, started)
        except Unavailable as reason:
            await self._finish(send, http.sentence(503, str(reason), (b"retry-after", b"5")), given, started)
        except Refused as refused:
            metrics.rejected.labels(refused.reason).inc()
            await self._finish(send, refused.reply, given, started)
        else:
            payload = encode(answer)
            headers = [
                *http.JSON,
                (b"content-length", b"%d" % len(payload)),
                (b"x-request-id", given or answer.prediction_id.encode()),
            ]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": payload})
            self._predictor.metrics.answered(perf_counter() - started)
            if self._predictor.shadow:
                self._predictor.in_shadow(body, answer.prediction_id)

    async def _hot(self, scope: http.Scope, receive: Receive, send: Send, given: bytes) -> None:
        # The table knows it for what other methods are told; `__call__` comes here without the table.
        await self._predict(scope, receive, send)

    async def _finish(self, send: Send, reply: Reply, given: bytes, started: float) -> None:
        await http.send_reply(send, reply, given)
        self._predictor.metrics.request("/predict", "POST", reply.status, perf_counter() - started)

    async def _slowly(self, body: bytes, work: tuple, given: bytes, started: float) -> Answer:  # type: ignore[type-arg]
        """Score by a model that takes milliseconds, in its one thread, with a short queue."""
        values, model, variant = work
        if self._slow >= 8:
            raise Refused(BUSY, "busy")
        self._slow += 1
        try:
            loop = asyncio.get_running_loop()
            found = await loop.run_in_executor(self._thread, model.scorer.score, values)
        finally:
            self._slow -= 1
        return self._predictor.answer(body, values, found, model, variant, given, started)

    async def _other(self, scope: http.Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        methods = self.routes.get(path)
        if methods is None:
            await self._fallback(scope, receive, send)
            return
        started = perf_counter()
        found = methods.get("GET" if method == "HEAD" else method)
        given = http.request_id(scope["headers"])
        metrics.in_flight.inc()
        try:
            if found is None:
                allow = ", ".join(sorted(methods)).encode()
                raise Refused(http.sentence(405, f"{path} takes {allow.decode()}", (b"allow", allow)), "method")
            needed, handler = found
            if needed == "admin" or (needed is not None and self._guard.active):
                self._guard.check(scope["headers"], needed)
            reply = await handler(scope, receive, send, given)
        except Refused as refused:
            metrics.rejected.labels(refused.reason).inc()
            reply = refused.reply
        except Unavailable as reason:
            reply = http.sentence(503, str(reason), (b"retry-after", b"5"))
        finally:
            metrics.in_flight.dec()
        if reply is not None:
            await http.send_reply(send, reply if method != "HEAD" else reply._replace(body=b""), given)
        known = method if found is not None else "other"
        self._predictor.metrics.request(path, known, reply.status if reply else 200, perf_counter() - started)
