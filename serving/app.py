"""The API as one ASGI application: the lean route of predictions, Starlette's routes, and a little of BentoML."""

from collections.abc import Sequence
from time import perf_counter

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from readmission.settings import Settings
from serving import http
from serving.clinic import hooks
from serving.clinic.clients import CdsClients
from serving.edge.attempts import address_of
from serving.edge.auth import ApiKeys, KeyRequired, KeyScope
from serving.edge.cross_site import CrossSite
from serving.edge.drain import Drain, closing
from serving.metrics import Metrics, in_flight, rejected
from serving.predict.predictor import Predictor
from serving.routes import docs, fhir, predict
from serving.routes.cds_hooks import CdsHooks
from serving.routes.clinical import Clinical
from serving.routes.explain import Explain
from serving.routes.feedback import Feedback
from serving.routes.fhir import RiskAssessments
from serving.routes.info import Info
from serving.routes.predict import Predict
from serving.routes.predict_batch import PredictBatch
from serving.routes.refusals import REFUSALS, refuse, wrong_method
from serving.routes.worklist import Worklists

#: Paths that make the API poll the registry; the second spelling is taken too.
RELOAD = ("/reload-model", "/reload_model")

#: Paths of BentoML's own application that stay: its clients need the first, its probes the second.
BENTOML = frozenset({"/schema.json", "/healthz"})
_UNKNOWN = http.sentence(404, "there is no such path; /docs lists all")


def build_clinic(settings: Settings, clinical: Clinical, clients: CdsClients) -> list[Route]:
    """Return the routes for record systems: CDS Hooks with tokens, and FHIR."""
    cds = CdsHooks(clinical, clients, settings.home / "spool" / "clinic")
    origins = [origin.strip() for origin in settings.clinic.origins.split(",") if origin.strip()]
    browsers = [
        Middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST"],
            allow_headers=["authorization", "content-type"],
        )
    ]
    return [
        Route(hooks.DISCOVERY, cds.discover, methods=["GET", "OPTIONS"], middleware=browsers),
        Route(hooks.CALL, cds.call, methods=["POST", "OPTIONS"], middleware=browsers),
        Route(hooks.FEEDBACK, cds.feedback, methods=["POST", "OPTIONS"], middleware=browsers),
    ]


def build_routes(
    settings: Settings, predictor: Predictor, keys: ApiKeys, info: Info, clinical: Clinical
) -> list[Route]:
    """Return every route but the lean one, with its methods and the scope of the keys it needs."""

    def key(scope: KeyScope) -> list[Middleware]:
        return [Middleware(KeyRequired, keys=keys, key_scope=scope)]

    batch = PredictBatch(predictor, settings.api.max_batch_body, settings.api.max_records)
    worklists = Worklists(settings)
    explain = Explain(predictor, settings.api.max_body).answer
    return [
        Route("/predict_batch", batch, methods=["POST"], middleware=key("predict")),
        Route("/explain", explain, methods=["POST"], middleware=key("predict")),
        Route("/feedback", Feedback(settings).answer, methods=["POST"], middleware=key("feedback")),
        Route("/worklist", worklists.list, middleware=key("worklist")),
        Route("/follow-ups", worklists.follow_up, methods=["POST"], middleware=key("worklist")),
        Route(fhir.PATH, RiskAssessments(clinical).answer, methods=["POST"], middleware=key("predict")),
        *(Route(path, info.reload, methods=["POST"], middleware=key("admin")) for path in RELOAD),
        Route("/model-info", info.model),
        Route("/model-card", info.card),
        Route("/health", info.health),
        Route("/livez", info.live),
        Route("/readyz", info.ready),
        Route("/metrics", info.metrics),
        Route("/openapi.json", info.openapi),
        *docs.routes(),
    ]


class Api:
    """ASGI application of one worker.

    Args:
        predict: The lean route, which stands outside of Starlette's.
        routes: The other routes; their paths are exact.
        fallback: BentoML's application, which answers its own paths and the lifespan.
        counts: Metrics of this worker.
        drain: While it lasts, every answer closes its connection.
        cross_site: Check of requests that need no key; None if they need one.

    Attributes:
        paths: All paths that are not the fallback's.
    """

    def __init__(
        self,
        predict_route: Predict,
        routes: Sequence[Route],
        fallback: ASGIApp,
        counts: Metrics,
        drain: Drain,
        cross_site: CrossSite | None = None,
    ) -> None:
        self._cross_site = cross_site
        self._predict = predict_route
        self._fallback = fallback
        self._counts = counts
        self._drain = drain
        self.paths = frozenset({predict.PATH, *(route.path for route in routes)})
        handlers = {**dict.fromkeys(REFUSALS, self._refuse), HTTPException: self._refuse_method, Exception: _fail}
        self._routes = Starlette(routes=routes, exception_handlers=handlers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI connection."""
        if scope["type"] != "http":
            await self._fallback(scope, receive, send)
            return
        if self._drain.begun:
            send = closing(send)
        path = scope["path"]
        if refusal := self._foreign(scope):
            rejected.labels("cross-site").inc()
            await refusal(scope, receive, http.with_common_headers(send, http.request_id(scope["headers"])))
            return
        if path == predict.PATH:
            await self._predict(scope, receive, send)
        elif path in self.paths:
            await self._counted(scope, receive, send)
        elif path in BENTOML:
            await self._fallback(scope, receive, http.with_common_headers(send, http.request_id(scope["headers"])))
        else:
            with_headers = http.with_common_headers(send, http.request_id(scope["headers"]))
            await _UNKNOWN(scope, receive, with_headers)

    def _foreign(self, scope: Scope) -> Response | None:
        # Record systems in a browser have tokens, and origins of their own.
        if self._cross_site is None or scope["path"].startswith(hooks.DISCOVERY):
            return None
        return self._cross_site.refusal(scope["method"], scope["headers"])

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by Starlette's routes; add the common headers and count the answer."""
        started, status = perf_counter(), 500
        send = http.with_common_headers(send, http.request_id(scope["headers"]))

        async def send_noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        in_flight.inc()
        try:
            await self._routes(scope, receive, send_noting_status)
        finally:
            in_flight.dec()
            # A method that the route does not take may be any text.
            method = scope["method"] if status != 405 else "other"
            self._counts.request(scope["path"], method, status, perf_counter() - started)

    async def _refuse(self, request: Request, refusal: Exception) -> Response:
        assert isinstance(refusal, REFUSALS)  # noqa: S101 - Starlette's type is wider than what it is called with
        response = refuse(refusal, self._counts)
        if response.status_code == 401:
            await self._predict.attempts.slow(address_of(request.scope.get("client")))
        return response

    async def _refuse_method(self, request: Request, error: Exception) -> Response:
        """Refuse a method; no other error of Starlette's can occur, since the path is known."""
        headers = error.headers if isinstance(error, HTTPException) else None
        allowed = ", ".join(sorted((headers or {})["Allow"].split(", ")))
        return refuse(wrong_method(request.url.path, allowed), self._counts)


async def _fail(request: Request, error: Exception) -> Response:
    """Answer what nobody expected; the server logs it."""
    return http.sentence(500, "internal error")
