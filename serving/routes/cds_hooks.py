"""CDS Hooks: discovery, calls, and what clinicians did with the cards."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from readmission.fhir.resources import NotUsableError
from serving import http, metrics
from serving.clinic import cards, events, hooks
from serving.clinic.clients import CdsClients
from serving.clinic.hooks import PreconditionError
from serving.edge.auth import CLIENT
from serving.http import JsonResponse
from serving.predict import encounter
from serving.predict.known_scores import describe_scores
from serving.routes.clinical import Clinical

#: Largest body of feedback, in bytes.
_MAX_FEEDBACK = 1_048_576


class CdsHooks:
    """Routes below /cds-services.

    Args:
        clinical: Predictions for record systems.
        clients: Record systems that may call.
        folder: Folder in which feedback waits for the sidecar.
    """

    def __init__(self, clinical: Clinical, clients: CdsClients, folder: Path) -> None:
        self._clinical, self._clients, self._folder = clinical, clients, folder
        self._discovery = JsonResponse(hooks.discovery())

    async def discover(self, request: Request) -> Response:
        """Answer the services. The answer is the same for everybody and holds no data, so no token is needed."""
        return self._discovery

    def _verify(self, request: Request, path: str) -> None:
        # The record system is the client of the access log, as a key's name is elsewhere.
        CLIENT.set(self._clients.verify(http.header(request.headers.raw, b"authorization"), self._clinical.url + path))

    async def call(self, request: Request) -> Response:
        """Answer one call with its cards: none for patients whom the model does not know."""
        await self._clinical.admit()
        self._verify(request, hooks.CALL)
        body = await http.whole_body(request.receive, self._clinical.max_body)
        try:
            return JsonResponse(await self._cards(body, http.request_id(request.headers.raw)))
        except PreconditionError as error:
            metrics.rejected.labels("prefetch").inc()
            queries = {key: hooks.PREFETCH[key] for key in error.missing}
            return JsonResponse({"error": str(error), "missing": queries}, 412)
        except NotUsableError as error:
            if error.is_outside:
                return JsonResponse({"cards": [], "extension": {"urn:readmission:no-card": _problems(error)}})
            metrics.rejected.labels("fhir").inc()
            code = 422 if all(issue.code != "structure" for issue in error.issues) else 400
            is_request = any(
                issue.where.startswith(("hook", "context", "request", "prefetch")) for issue in error.issues
            )
            return JsonResponse({"errors": _problems(error)}, 400 if is_request else code)

    async def feedback(self, request: Request) -> Response:
        """Record what clinicians did with cards."""
        self._verify(request, hooks.FEEDBACK)
        body = await http.whole_body(request.receive, _MAX_FEEDBACK)
        try:
            received = events.read_feedback(body)
            await asyncio.to_thread(self._keep, received)
        except NotUsableError as error:
            return JsonResponse({"errors": _problems(error)}, 400)
        except OSError:
            return http.sentence(503, "feedback cannot be kept now: try again later", {"retry-after": "30"})
        return JsonResponse({"status": "recorded"})

    def _keep(self, received: list[events.CardFeedback]) -> None:
        for event in received:
            events.write_event(self._folder, event)

    async def _cards(self, body: bytes, request_id: bytes) -> dict[str, Any]:
        request = hooks.read_call(body)
        resources = hooks.read_prefetch(request)
        encounter_id = hooks.stay_id(request)
        mapped = self._clinical.map(resources, request.context["patientId"], encounter_id)
        estimate = await self._clinical.estimate(mapped, request.hook, request_id)
        explanation = await self._clinical.explain(mapped.record, estimate.version)
        shares = sorted(explanation.contributions.items(), key=lambda pair: -abs(pair[1])) if explanation else []
        unit = explanation.unit if explanation else ""
        scores = describe_scores(encounter.decode(msgspec.json.encode(mapped.record)))
        return {"cards": [cards.card(estimate, mapped, shares, unit, scores)]}


def _problems(error: NotUsableError) -> list[dict[str, str]]:
    return [{"field": issue.where, "problem": issue.code, "allowed": issue.text} for issue in error.issues]
