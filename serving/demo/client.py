"""Client of the prediction API; every failure becomes a sentence for the page."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import httpx

from readmission import tracing
from serving.demo.language import DEFAULT, mark, tr

#: How long to wait for one answer, in seconds; a chunk of a file gets ten times as long.
TIMEOUT = 10.0
#: How often to retry a chunk of a file, one second apart, while the API scores other batches.
BUSY_RETRIES = 30
_NO_MODEL = mark("The prediction service is running but has no model yet.")
_UNREACHABLE = mark("The prediction service cannot be reached.")
_BUSY = mark("The prediction service is busy.")


class UnavailableError(Exception):
    """No answer at present; the text tells a person why."""


class BusyError(UnavailableError):
    """The API asked to retry later."""


class RejectedError(Exception):
    """Refusal by the API; `errors` is its list of {field, problem, allowed}."""

    def __init__(self, errors: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(f"{len(errors)} fields refused")
        self.errors = errors


class DemoClient:
    """Connection pool to one API.

    Args:
        url: Where the API listens, without a trailing slash.
        key: API key with the scope ``predict``. If empty, none is sent.
    """

    def __init__(self, url: str, key: str = "") -> None:
        headers = {"X-API-Key": key} if key else {}
        self._http = httpx.AsyncClient(base_url=url, timeout=TIMEOUT, headers=headers, trust_env=False)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def predict(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return the API's answer to one encounter.

        Raises:
            RejectedError: A field is not allowed.
            UnavailableError: The API is down, has no model, is busy or broken.
        """
        return await self._ask("POST", "/predict?include=known_scores", record)

    async def explain(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return what each field contributed to the answer to one encounter.

        Raises:
            RejectedError, UnavailableError: As for `predict`; the model may also be one that cannot explain.
        """
        return await self._ask("POST", "/explain", record)

    async def predict_batch(self, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the API's answer to up to 10,000 encounters; errors are in it, by index.

        Raises:
            RejectedError, UnavailableError: As for `predict`.
        """
        for _ in range(BUSY_RETRIES):
            try:
                return await self._ask("POST", "/predict_batch", {"records": list(records)}, 10 * TIMEOUT)
            except BusyError:
                await asyncio.sleep(1)
        raise UnavailableError(tr("The prediction service is busy with other files."))

    async def model_info(self) -> dict[str, Any]:
        """Return what the API says about its model.

        Raises:
            UnavailableError: The API is down or has no model.
        """
        return await self._ask("GET", "/model-info", None, 3.0)

    async def model_card(self, language: str = DEFAULT) -> str | None:
        """Return the page of the model card, or None if there is none.

        Args:
            language: Code of its language. A version of an earlier release has the English page alone.

        Raises:
            UnavailableError: The API is down.
        """
        try:
            answer = await self._http.get("/model-card", params={"language": language}, timeout=3.0)
            if answer.status_code == 404 and language != DEFAULT:
                answer = await self._http.get("/model-card", timeout=3.0)
        except httpx.TransportError as error:
            raise UnavailableError(tr(_UNREACHABLE)) from error
        return answer.text if answer.is_success else None

    async def worklist(self) -> dict[str, Any]:
        """Return today's and yesterday's discharges by risk; the key needs the scope ``worklist``.

        Raises:
            UnavailableError: The API or its database is down, or the key may not.
        """
        return await self._ask("GET", "/worklist", None)

    async def worklist_file(self) -> bytes:
        """Return the same as a CSV file.

        Raises:
            UnavailableError: As for `worklist`.
        """
        try:
            answer = await self._http.get("/worklist", params={"format": "csv"})
        except httpx.TransportError as error:
            raise UnavailableError("The prediction service cannot be reached.") from error
        if not answer.is_success:
            raise UnavailableError(_sentence(answer.status_code))
        return answer.content

    async def follow_up(self, prediction_id: str, action: str) -> None:
        """Record what was done about a discharge.

        Raises:
            RejectedError: There is no such action or prediction.
            UnavailableError: As for `worklist`.
        """
        await self._ask("POST", "/follow-ups", {"prediction_id": prediction_id, "action": action})

    async def _ask(self, method: str, path: str, body: Any, timeout: float = TIMEOUT) -> dict[str, Any]:
        try:
            with tracing.span(f"{method} {path.partition('?')[0]}", "CLIENT", http_request_method=method) as span:
                headers = {**tracing.outgoing(), "X-Request-ID": f"demo-{uuid4().hex}"}
                answer = await self._http.request(method, path, json=body, timeout=timeout, headers=headers)
                if span is not None:
                    span.set_attribute("http.response.status_code", answer.status_code)
        except httpx.TimeoutException as error:
            raise UnavailableError(tr("The prediction service took too long to answer.")) from error
        except httpx.TransportError as error:
            raise UnavailableError(tr(_UNREACHABLE)) from error
        content = _json(answer) or {}
        # A batch of which no record can be scored is refused as a whole, with the reasons by record.
        if (answer.is_success and content) or "predictions" in content:
            return content
        if answer.status_code == httpx.codes.BAD_REQUEST and content.get("errors"):
            raise RejectedError(content["errors"])
        if "no model" in str(content.get("error")):  # it too asks to retry later
            raise UnavailableError(tr(_NO_MODEL))
        if answer.headers.get("retry-after"):
            raise BusyError(tr(_BUSY))
        raise UnavailableError(_sentence(answer.status_code))


def _json(answer: httpx.Response) -> dict[str, Any] | None:
    try:
        content = answer.json()
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _sentence(status: int) -> str:
    match status:
        case 401 | 403:
            return tr("The prediction service does not accept this page's credentials.")
        case 413:
            return tr("The request is too large for the prediction service.")
        case 429:
            return tr(_BUSY)
        case 503:
            return tr(_NO_MODEL)
    return tr("The prediction service failed (HTTP {status}).", status=status)
