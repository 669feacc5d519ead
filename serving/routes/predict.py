"""POST /predict: one encounter, answered inline in the event loop.

This route is raw ASGI. Decoding, scoring and the answer take 30 to 100 microseconds, less than Starlette's request
and response objects would add, and less than a switch to a thread (measured in November 2026: a thread pool answers
0.56 to 0.67 times as many requests as the event loop).
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from readmission.scorer import Probabilities
from serving import http
from serving.edge.admission import BUSY, Admission
from serving.edge.attempts import Attempts, address_of
from serving.edge.auth import ApiKeys
from serving.http import Refused
from serving.predict import encounter
from serving.predict.answers import Answer, encode
from serving.predict.encounter import Values
from serving.predict.known_scores import asks_for_scores, describe_scores
from serving.predict.loaded_models import LoadedModel
from serving.predict.predictor import Predictor
from serving.prediction_log.entries import Discharge
from serving.routes.refusals import REFUSALS, refuse, wrong_method

PATH = "/predict"
#: Requests that may wait for the thread of a slow model.
_SLOW_WAITING = 8


class Predict:
    """ASGI application of POST /predict.

    Args:
        predictor: Models and records of this worker.
        keys: API keys, checked before the body is read.
        max_body: Largest body in bytes.
        max_waiting: How many requests may wait at once; the next one is refused.

    Attributes:
        attempts: Failed attempts of this worker on any route.
    """

    def __init__(self, predictor: Predictor, keys: ApiKeys, *, max_body: int, max_waiting: int) -> None:
        self._predictor = predictor
        self._keys = keys
        self._max_body = max_body
        self._admission = Admission(max_waiting)
        self._settles = predictor.wait_for_disk or predictor.refuse_when_full
        self.attempts = Attempts()
        self._slow = 0
        self._thread = ThreadPoolExecutor(1, "score")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; more than 40 lines, because a further call on every request is not free."""
        started = perf_counter()
        request_id = http.request_id(scope["headers"])
        try:
            if scope["method"] != "POST":
                raise wrong_method(PATH, "POST")
            turn = self._admission.enter()
            if turn is not None:
                await turn
            if self._keys.active:
                self._keys.require(scope["headers"], "predict")
            message = await receive()
            body = message.get("body", b"")
            if len(body) > self._max_body:
                raise http.too_large(self._max_body)
            if message["type"] == "http.disconnect":
                raise http.gone()
            if message.get("more_body", False):
                body = await http.whole_body(receive, self._max_body, body)
            query: bytes = scope.get("query_string") or b""
            answer = await self.answer(body, request_id, started, with_scores=query != b"" and asks_for_scores(query))
            if self._settles:
                await self._predictor.settle()
        except REFUSALS as refusal:
            response = refuse(refusal, self._predictor.metrics)
            if response.status_code == 401:
                await self.attempts.slow(address_of(scope.get("client")))
            await self._send(response, scope, receive, http.with_common_headers(send, request_id), started)
            return
        except Exception:
            await self._fail(scope, receive, http.with_common_headers(send, request_id), started)
            raise
        payload = encode(answer)
        headers = [
            *http.JSON,
            (b"content-length", b"%d" % len(payload)),
            (b"x-request-id", request_id or answer.prediction_id.encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": payload})
        self._predictor.metrics.answered(perf_counter() - started)
        if self._predictor.shadow:
            self._predictor.in_shadow(body, answer.prediction_id)

    async def admit(self) -> None:
        """Wait for a turn in the line that all single predictions share.

        Raises:
            Refused: The line is too long.
        """
        turn = self._admission.enter()
        if turn is not None:
            await turn

    async def answer(
        self,
        body: bytes,
        request_id: bytes,
        started: float,
        discharge: Discharge | None = None,
        *,
        with_scores: bool = False,
    ) -> Answer:
        """Answer one encounter; more than 40 lines, because its arguments are explained.

        Args:
            body: JSON object of the encounter.
            request_id: The client's; empty if it sent none.
            started: When the request began (`perf_counter`).
            discharge: What a record system says of the patient; a canary's share then goes by the FHIR Patient.
            with_scores: Whether to add the scores that clinicians know.

        Raises:
            Invalid: The encounter does not follow the contract.
            Unavailable: No model is loaded.
            Refused: The model is slow and too many requests wait for it.
        """
        values = encounter.decode(body)
        key = discharge.patient.encode() if discharge is not None else request_id
        model, variant = self._predictor.choose(values, key, body)
        if model.inline:
            probabilities = model.scorer.score(values)
        else:
            probabilities = await self._score_in_thread(model, values)
        answer = self._predictor.record(
            body,
            values,
            probabilities,
            model,
            variant=variant,
            request_id=request_id,
            started=started,
            discharge=discharge,
        )
        if with_scores:
            answer.known_scores = describe_scores(values)
        return answer

    async def _score_in_thread(self, model: LoadedModel, values: Values) -> Probabilities:
        """Score with a model that takes milliseconds, in its one thread, with a short line before it."""
        if self._slow >= _SLOW_WAITING:
            raise Refused(BUSY, "busy")
        self._slow += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, model.scorer.score, values)
        finally:
            self._slow -= 1

    async def _fail(self, scope: Scope, receive: Receive, send: Send, started: float) -> None:
        """Answer and count an error of this program; the server logs it."""
        failure = http.sentence(500, "internal error")
        await failure(scope, receive, send)
        self._predictor.metrics.request(PATH, "POST", 500, perf_counter() - started)

    async def _send(self, response: Response, scope: Scope, receive: Receive, send: Send, started: float) -> None:
        """Send a refusal and count it."""
        await response(scope, receive, send)
        method = "POST" if scope["method"] == "POST" else "other"
        self._predictor.metrics.request(PATH, method, response.status_code, perf_counter() - started)
