"""A typed client of the API, with retries: `with Client("http://127.0.0.1:18080") as api: api.predict({...})`.

Needs httpx and msgspec alone.
"""

import contextlib
import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import islice
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import httpx
import msgspec

Record = Mapping[str, str | int | None]
Outcome = Literal["NO", ">30", "<30"]
_Answer = TypeVar("_Answer")
#: Statuses worth a retry. A prediction that is requested twice is logged twice, which does no harm.
_AGAIN = frozenset({408, 429, 502, 503, 504})
#: Routes of which the API logs every request.
_LOGGED = frozenset({"/predict", "/predict_batch"})
#: Records of a page of `predict_stream`.
_PAGE = 1_000


class Problem(msgspec.Struct, frozen=True):
    """Problem of one field."""

    field: str
    problem: str
    allowed: str
    nearest: str | int | None = None


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """Answer to one encounter; `missing` names the absent columns."""

    prediction_id: str
    prediction: Outcome
    probabilities: dict[Outcome, float]
    readmission_risk_30d: float
    model_name: str
    model_version: str
    missing: list[str]
    timestamp: datetime
    notes: list[str] = []
    risk_band: str = ""


class Refusal(msgspec.Struct, frozen=True):
    """Problems of one record of a batch."""

    index: int
    errors: list[Problem]


class Batch(msgspec.Struct, frozen=True):
    """Answers to the valid records, in order, and the problems of the others."""

    predictions: list[Prediction]
    errors: list[Refusal]
    model_name: str
    model_version: str


class Explanation(msgspec.Struct, frozen=True):
    """Contribution of each raw column; `base` and contributions add up to `margin`."""

    unit: str
    base: float
    contributions: dict[str, float]
    margin: float


class ApiError(Exception):
    """The API did not answer as asked; `status` is None when it cannot be reached."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class InvalidError(ApiError):
    """The request is not of the contract; `problems` lists every field."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        sentence = "; ".join(map(_sentence, problems))
        super().__init__(sentence, 400)
        self.problems = tuple(problems)


def _sentence(problem: Problem) -> str:
    near = f", nearest: {problem.nearest!r}" if problem.nearest is not None else ""
    return f"{problem.field or 'the body'}: {problem.problem}, allowed: {problem.allowed}{near}"


class Client:
    """Client of the API that retries when the API is busy or away.

    Args:
        url: Address of the API.
        key: API key, if the installation has keys.
        timeout: Seconds for one try.
        retries: Further tries after the first.
        verify: False, or a file of certificates, for a self-signed TLS certificate.
    """

    def __init__(
        self, url: str, key: str = "", *, timeout: float = 10.0, retries: int = 4, verify: bool | str = True
    ) -> None:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=url.rstrip("/"), headers=headers, timeout=timeout, verify=verify)
        self._retries = retries

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def predict(self, record: Record) -> Prediction:
        """Predict one encounter, given by the data set's own column names.

        Raises:
            InvalidError: A field is not allowed.
            ApiError: There was no answer, even after the retries.
        """
        return self._post("/predict", record, Prediction)

    def predict_batch(self, records: Sequence[Record]) -> Batch:
        """Predict up to 10,000 encounters; what is wrong with some of them is in the answer, by index.

        Raises:
            InvalidError: There are no records, or too many.
            ApiError: There was no answer, even after the retries.
        """
        return self._post("/predict_batch", {"records": list(records)}, Batch)

    def predict_stream(self, records: Iterable[Record]) -> Iterator[Prediction | Refusal]:
        """Predict any number of encounters in bounded memory, in order: page by page, each with retries.

        Raises:
            ApiError: A page was not answered, after the retries.
        """
        start, rest = 0, iter(records)
        while page := list(islice(rest, _PAGE)):
            batch = self.predict_batch(page)
            predictions, refusals = iter(batch.predictions), {refusal.index: refusal for refusal in batch.errors}
            for index in range(len(page)):
                refusal = refusals.get(index)
                yield next(predictions) if refusal is None else Refusal(start + index, refusal.errors)
            start += len(page)

    def explain(self, record: Record) -> Explanation:
        """Explain a prediction; raises as `predict` does."""
        return self._post("/explain", record, Explanation)

    def feedback(self, prediction_id: str, outcome: Outcome, observed_at: datetime | None = None) -> str:
        """Report what happened; return ``recorded`` or ``pending``. Repeating changes nothing.

        Raises:
            ApiError: The prediction is not known (404), or there was no answer, even after the retries.
        """
        body = {"prediction_id": prediction_id, "outcome": outcome, "observed_at": observed_at}
        return str(self._post("/feedback", body, dict[str, Any])["status"])

    def model_info(self) -> dict[str, Any]:
        """Return what answers: name, version, family, engine, metrics."""
        return self._ask("GET", "/model-info", None, dict[str, Any])

    def _post(self, path: str, body: object, kind: type[_Answer]) -> _Answer:
        return self._ask("POST", path, msgspec.json.encode(body), kind)

    def _ask(self, method: str, path: str, body: bytes | None, kind: type[_Answer]) -> _Answer:
        for attempt in range(self._retries + 1):
            wait = min(5.0, 0.1 * 2**attempt) * random.uniform(0.5, 1.0)  # noqa: S311 - to spread clients
            try:
                answer = self._http.request(method, path, content=body, headers={"content-type": "application/json"})
            except httpx.TransportError as error:
                failure = ApiError(f"{path} cannot be reached: {type(error).__name__}")
                if isinstance(error, httpx.ReadTimeout) and path in _LOGGED:
                    # The API has the request and may answer it yet: asking again would log it twice.
                    raise failure from error
            else:
                if answer.is_success:
                    return _decode(answer, kind)
                failure = _error(answer)
                if answer.status_code not in _AGAIN:
                    raise failure
                wait = max(wait, min(5.0, _retry_after(answer)))
            if attempt < self._retries:
                time.sleep(wait)
        raise failure


def _decode(answer: httpx.Response, kind: type[_Answer]) -> _Answer:
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except msgspec.DecodeError:
        raise ApiError("the answer is not one of the API: is something else at this URL?", answer.status_code) from None


def _retry_after(answer: httpx.Response) -> float:
    """Return the seconds of the header Retry-After, which may also be a date; 0 if it is absent or neither."""
    text = answer.headers.get("retry-after", "")
    with contextlib.suppress(ValueError):
        return float(text) if text.isdigit() else (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
    return 0.0


def _error(answer: httpx.Response) -> ApiError:
    try:
        content = msgspec.json.decode(answer.content)
        if answer.status_code == 400:
            return InvalidError(msgspec.convert(content["errors"], list[Problem]))
        message = str(content["error"])
    except (msgspec.MsgspecError, KeyError, TypeError):
        message = f"HTTP {answer.status_code}"
    return ApiError(message, answer.status_code)
