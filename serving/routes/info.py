"""Routes for operators and probes: which model answers, health, readiness, metrics, the OpenAPI document, reload."""

import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from readmission import contract
from readmission.scorer.manifest import CARD_PAGES, CARDS
from serving import http, metrics
from serving.edge.auth import ApiKeys
from serving.edge.drain import Drain
from serving.http import JsonResponse
from serving.predict.aliases import Aliases, polled_at
from serving.predict.loaded_models import POKE, LoadedModel, LoadedModels
from serving.predict.predictor import Predictor
from serving.prediction_log.spool import PredictionLog
from serving.routes import docs, openapi
from serving.routes.states import Health, ModelDescription, ModelInfo, Registry, Status

#: Seconds without a poll of the registry after which the sidecar is said to be silent: more than a download takes.
_SILENCE = 300.0


class Info:
    """Routes /model-info, /model-card, /health, /livez, /readyz, /metrics, /openapi.json and /reload-model.

    Args:
        predictor: Models and log of this worker.
        models_folder: Folder in which a file asks the sidecar to poll the registry.
        drain: Drain of this worker; once it has begun, the worker is not ready.
        keys: API keys of this worker.
    """

    def __init__(self, predictor: Predictor, models_folder: Path, drain: Drain, keys: ApiKeys) -> None:
        self._predictor = predictor
        self._folder = models_folder
        self._drain = drain
        self._keys = keys
        self._document = JsonResponse(openapi.document())

    @property
    def _models(self) -> LoadedModels:
        return self._predictor.models

    async def live(self, request: Request) -> Response:
        """Tell that the process answers."""
        return JsonResponse(Status("alive"))

    async def ready(self, request: Request) -> Response:
        """Tell whether a prediction can be made."""
        if self._drain.begun:
            return http.sentence(503, "stopping")
        if self._models.champion is None:
            return http.sentence(503, self._models.error or "no model is loaded yet")
        return JsonResponse(Status("ready"))

    async def health(self, request: Request) -> Response:
        """Describe the state of each part; 503 if no prediction can be made."""
        models = self._models
        aliases = models.aliases
        state = Health(
            status="ok",
            model="loaded" if models.champion else "none",
            registry=self._registry(aliases).state,
            prediction_log=_log_state(self._predictor.log),
        )
        if models.champion is None or self._drain.begun:
            state.status = "draining" if self._drain.begun else "no model"
            return JsonResponse(state, 503)
        state.problem = models.error or aliases.error
        if self._keys.problem:
            state.keys = "the file of keys has a problem, see the log"
        if state.problem or state.keys or state.registry != "ok" or state.prediction_log in ("full", "dropping"):
            state.status = "degraded"
        return JsonResponse(state)

    async def model(self, request: Request) -> Response:
        """Describe the champion, the challenger, and what every worker of this replica serves."""
        models = self._models
        if models.champion is None:
            return http.sentence(503, models.error or "no model is loaded yet", {"retry-after": "5"})
        aliases = models.aliases
        content = ModelInfo(
            **msgspec.structs.asdict(_describe(models.champion)),
            champion_wanted=aliases.champion,
            challenger=_describe(models.challenger) if models.challenger else None,
            workers=models.workers(),
            registry=self._registry(aliases),
            problem=models.error or aliases.error,
        )
        return JsonResponse(content)

    def _registry(self, aliases: Aliases) -> Registry:
        """Return what the last poll of the registry gave, and when it was."""
        polled = polled_at(self._folder)
        if polled is None:
            return Registry(aliases.registry or "not asked yet", aliases.checked_at)
        state, silent = aliases.registry, time.time() - polled
        if silent > _SILENCE:
            state = f"not asked for {silent:.0f} s: the sidecar hangs, or does not start"
        return Registry(state, datetime.fromtimestamp(polled, UTC).isoformat(timespec="seconds"))

    async def card(self, request: Request) -> Response:
        """Answer the champion's model card: a page, also with `?language=es`, or `?format=markdown`, `?format=xml`."""
        form, language = (request.query_params.get(*each) for each in (("format", "html"), ("language", "en")))
        if form not in CARDS:
            return http.sentence(400, f"format: one of {', '.join(CARDS)}")
        allowed = ("en", *CARD_PAGES) if form == "html" else ("en",)
        if language not in allowed:
            return http.sentence(400, f"language: one of {', '.join(allowed)} for format {form}")
        champion = self._models.champion
        if champion is None or not champion.cards:
            return http.sentence(404, "the model that is served came without a card")
        key = form if language == "en" else language
        if key not in champion.cards:
            return http.sentence(404, f"the model that is served is of an earlier release: its card has no {key}")
        if form == "html":
            return docs.html_response(champion.cards[key])
        kind = "application/xml" if form == "xml" else "text/markdown; charset=utf-8"
        return Response(champion.cards[form], headers={"content-type": kind})

    async def metrics(self, request: Request) -> Response:
        """Answer a scrape of Prometheus."""
        self._predictor.metrics.flush()
        body, kind = metrics.exposition()
        return Response(body, headers={"content-type": kind})

    async def reload(self, request: Request) -> Response:
        """Ask the sidecar to poll the registry now; /model-info shows the swap."""
        (self._folder / POKE).touch()
        return JsonResponse(Status("the registry is polled now; /model-info shows the result"), 202)

    async def openapi(self, request: Request) -> Response:
        """Answer the OpenAPI document."""
        return self._document


def _log_state(log: PredictionLog | None) -> str:
    if log is None:
        return "off"
    return "full" if log.full else "dropping" if log.dropping else "ok"


def _describe(model: LoadedModel) -> ModelDescription:
    manifest = model.scorer.manifest
    return ModelDescription(
        model_name=model.name,
        model_version=model.version,
        family=manifest.family,
        engine=manifest.engine,
        trees=manifest.trees,
        synthetic=manifest.synthetic,
        metrics=manifest.metrics,
        classes=manifest.classes,
        contract_version=contract.CONTRACT_VERSION,
        run_id=manifest.run_id,
        compiled_at=manifest.compiled_at,
        loaded_at=model.loaded_at,
        parity=manifest.parity,
        history=manifest.history,
        risk_bands=manifest.bands,
        prevalence=manifest.prevalence,
        operating_points=manifest.points,
        doubts=manifest.doubts,
        gates=manifest.gates,
    )
