"""Answer what operators and probes ask: which model, is it well, is it ready; and look at the registry now."""

from pathlib import Path
from typing import Any

from readmission import contract
from serving import http, metrics
from serving.edge.drain import Drain
from serving.http import Receive, Reply, Scope, Send
from serving.predict.loaded_models import POKE, Models, Served
from serving.predict.predictor import Predictor
from serving.routes import openapi


class Info:
    """Answer GET /model-info, /health, /livez, /readyz, /metrics, the documentation, and POST /reload-model.

    Args:
        predictor: of this worker.
        models_folder: where the sidecar is poked.
        drain: once begun, this worker is not ready.
    """

    def __init__(self, predictor: Predictor, models_folder: Path, drain: Drain) -> None:
        self._predictor = predictor
        self._folder = models_folder
        self._drain = drain
        self._page = openapi.page()
        self._document = http.reply(200, openapi.document())

    @property
    def _models(self) -> Models:
        return self._predictor.models

    async def live(self, scope: Scope, receive: Receive, send: Send, given: bytes) -> Reply:
        """Say that the process answers."""
        return http.reply(200, {"status": "alive"})

    async def ready(self, scope: Scope, receive: Receive, send: Send, given: bytes) -> Reply:
        """Say whether a prediction can be made."""
        if self._drain.begun:
            return http.sentence(503, "stopping")
        if self._models.champion is None:
            return http.sentence(503, self._models.error or "no model is loaded yet")
        return http.reply(200, {"status": "ready"})

    async def health(self, scope: Scope, receive: Receive, send: Send, given: bytes) -> Reply:
        """Say how each part is; 503 when no prediction can be made."""
        models, log = self._models, self._predictor.log
        aliases = models.aliases
        state: dict[str, Any] = {
            "status": "ok",
            "model": "loaded" if models.champion else "none",
            "registry": aliases.registry or "not asked yet",
            "prediction_log": "off" if log is None else "full" if log.full else "ok",
        }
        if models.champion is None or self._drain.begun:
            return http.reply(503, {**state, "status": "draining" if self._drain.begun else "no model"})
        problem = models.error or aliases.error
        if problem or aliases.registry != "ok" or state["prediction_log"] == "full":
            state["status"] = "degraded"
        return http.reply(200, state | ({"problem": problem} if problem else {}))

    async def model(self, scope: Scope, receive: Receive, send: Send, given: bytes) -> Reply:
        """Describe the champion, the challenger, and what every worker of this replica serves."""
        models = self._models
        if models.champion is None:
            return http.sentence(503, models.error or "no model is loaded yet", (b"retry-after", b"5"))
        aliases = models.aliases
        content = _describe(models.champion) | {
            "champion_wanted": aliases.champion,
            "challenger": _describe(models.challenger) if models.challenger else None,
            "workers": models.workers(),
            "registry": {"state": aliases.registry or "not asked yet", "checked_at": aliases.checked_at},
            "problem": models.error or aliases.error,
        }
        return http.reply(200, content)

    async def card(self, scope: Scope, receive: Receive, send: Send, given: bytes) -> Reply:
        """Answer the champion's model card as a page."""
        champion = self._models.champion
        if champion is None or not champion.card:
            return http.sentence(404, "the model that is served came without a card")
        return openapi.html_reply(champion.card)

    async def metrics(self, scope: Scope, receive: Receive, send: Send, given: bytes) -> Reply:
        """Answer a scrape."""
        self._predictor.metrics.flush()
        body, kind = metrics.exposition()
        return Reply(200, body, ((b"content-type", kind.encode()), *http.SECURITY, http.NOTHING_LOADS))

    async def reload(self, scope: Scope, receive: Receive, send: Send, given: bytes) -> Reply:
        """Ask the sidecar to look at the registry now; the swap shows in /model-info."""
        (self._folder / POKE).touch()
        return http.reply(202, {"status": "the registry is looked at now; /model-info shows the result"})

    async def openapi(self, scope: Scope, receive: Receive, send: Send, given: bytes) -> Reply:
        """Answer the OpenAPI document."""
        return self._document

    async def docs(self, scope: Scope, receive: Receive, send: Send, given: bytes) -> Reply:
        """Answer the documentation's page."""
        return self._page


def _describe(served: Served) -> dict[str, Any]:
    manifest = served.scorer.manifest
    return {
        "model_name": served.name,
        "model_version": served.version,
        "family": manifest.family,
        "engine": manifest.engine,
        "trees": manifest.trees,
        "synthetic": manifest.synthetic,
        "metrics": manifest.metrics,
        "classes": manifest.classes,
        "contract_version": contract.CONTRACT_VERSION,
        "run_id": manifest.run_id,
        "compiled_at": manifest.compiled_at,
        "loaded_at": served.loaded_at,
        "parity": manifest.parity,
        "history": manifest.history,
        "risk_bands": manifest.bands,
        "operating_points": manifest.points,
        "gates": manifest.gates,
    }
