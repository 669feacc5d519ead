"""The BentoML service: `bentoml serve serving.service:Readmission`, `bentoml build`, `python -m serving.server`.

BentoML packages the code, runs the workers and their life cycle. Its middleware (access log, tracing, timer)
costs more than a prediction, so `to_asgi` puts the API in front of BentoML's own application. `service_class` is
the documented way to do so, and it holds under `bentoml serve` and any other ASGI server.
"""

import asyncio
import contextlib
import gc
import logging
import subprocess
import sys
from time import perf_counter
from typing import Any

import bentoml
import msgspec
from starlette.types import ASGIApp

from readmission import tracing
from readmission.logs import configure_logging
from readmission.settings import Settings, load_settings
from serving import handover
from serving.app import Api, build_clinic, build_routes
from serving.clinic.clients import CdsClients
from serving.edge import protocol
from serving.edge.auth import ApiKeys
from serving.edge.cross_site import CrossSite
from serving.edge.drain import QUIET, Drain
from serving.edge.tracing import Traced
from serving.metrics import Metrics
from serving.predict.loaded_models import LoadedModels
from serving.predict.predictor import Predictor
from serving.prediction_log.spool import PredictionLog
from serving.routes.clinical import Clinical
from serving.routes.info import Info
from serving.routes.predict import Predict
from serving.sidecar import launch

#: Name of the service in this module, for `bentoml serve`.
SERVICE = "Readmission"
_TICK = 0.5
log = logging.getLogger(__name__)


class Worker:
    """Parts of one worker process and their life cycle.

    Args:
        settings: Settings of the API.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._models_folder = settings.home / "models" / settings.mlflow.model_name
        share = settings.challenger.share if settings.challenger.mode == "canary" else 0.0
        self._metrics = Metrics(settings.home)
        name, keys = settings.mlflow.model_name, settings.patient_keys
        self._models = LoadedModels(self._models_folder, name, share, keys, settings.trust)
        token = settings.api.reload_token.get_secret_value() if settings.api.reload_token else ""
        self._keys = ApiKeys(settings.api.keys, token)
        self._predictor = Predictor(
            self._models,
            self._metrics,
            None,
            shadow=settings.challenger.mode == "shadow",
            wait_for_disk=settings.prediction_log.mode == "sync",
            refuse_when_full=settings.prediction_log.spool_full == "refuse",
        )
        self.predict = Predict(
            self._predictor, self._keys, max_body=settings.api.max_body, max_waiting=settings.api.max_waiting
        )
        self._clients = CdsClients(settings.clinic.clients, settings.home)
        self._drain = Drain()
        self._tasks: list[asyncio.Task[None]] = []
        self._sidecar: subprocess.Popen[bytes] | None = None

    def build_app(self, fallback: ASGIApp) -> ASGIApp:
        """Return the API in front of BentoML's application, traced if a collector is configured."""
        info = Info(self._predictor, self._models_folder, self._drain, self._keys)
        clinical = Clinical(self.predict, self._predictor, self._settings)
        routes = build_routes(self._settings, self._predictor, self._keys, info, clinical)
        routes += build_clinic(self._settings, clinical, self._clients)
        cross_site = None if self._keys.active else CrossSite(self._settings.api.host)
        api = Api(self.predict, routes, fallback, self._metrics, self._drain, cross_site)
        return Traced(api, api.paths) if self._settings.trace.endpoint else api

    async def start(self) -> None:
        """Load the model on disk and start what runs beside the requests."""
        settings = self._settings
        tracing.start(settings, "readmission-api")
        self._drain.on_signals(asyncio.get_running_loop(), min(QUIET, settings.api.drain / 2))
        launch.end_with_parent()
        self._models_folder.mkdir(parents=True, exist_ok=True)
        if settings.prediction_log.mode != "off":
            sync = settings.prediction_log.mode == "sync"
            self._predictor.log = PredictionLog(
                settings.home / "spool",
                settings.prediction_log.interval,
                settings.prediction_log.spool_bytes,
                sync=sync,
            )
        # The threads beside the event loop (log, batches) hold Python's lock for 1 ms at most, not 5.
        sys.setswitchinterval(0.001)
        # The sidecar first: if loading a model ends this process, it still learns that another version is to be served.
        self._sidecar = launch.ensure(settings.home)
        self._models.start(asyncio.get_running_loop())
        if handover.predecessor_runs() and (self._models.champion is None or self._models.error):
            # Requests are better answered by that server alone.
            raise RuntimeError(self._models.error or "there is no model to serve")
        # What exists now stays: the collector need not scan it again, for tens of milliseconds each time.
        gc.collect()
        gc.freeze()
        self._tasks.append(asyncio.create_task(self._tick()))

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            try:
                self._metrics.flush()
                self._keys.refresh()
                self._clients.refresh()
                if self._sidecar is None or self._sidecar.poll() is not None:
                    self._sidecar = launch.ensure(self._settings.home)
            except Exception:
                # One failure must not end the ticks to come.
                log.exception("the periodic refresh failed")

    async def stop(self) -> None:
        """Write what is left and end everything; all requests have been answered by now."""
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._models.stop()
        if self._predictor.log is not None:
            self._predictor.log.close()
        await asyncio.to_thread(tracing.stop)


class LeanService(bentoml.Service[Any]):  # type: ignore[misc]
    """BentoML service whose workers put the API in front of BentoML's application."""

    settings: Settings
    worker: Worker

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        """Return the ASGI application of one worker."""
        # In place of BentoML's own, which drops other loggers' lines below a warning.
        configure_logging(self.settings.log_format)
        protocol.install()
        self.worker = Worker(self.settings)
        return self.worker.build_app(super().to_asgi(is_main=is_main))

    def __call__(self) -> "Endpoints":
        """Return the object whose hooks BentoML calls in a worker."""
        endpoints: Endpoints = super().__call__()
        endpoints.worker = self.worker
        return endpoints


class Endpoints:
    """Predict readmission of diabetic patients; /docs describes the whole API."""

    worker: Worker

    @bentoml.on_startup  # type: ignore[untyped-decorator]
    async def start(self) -> None:
        """Start the worker."""
        await self.worker.start()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def stop(self) -> None:
        """Stop the worker."""
        await self.worker.stop()

    @bentoml.api  # type: ignore[untyped-decorator]
    async def predict(self, record: dict[str, Any], /) -> dict[str, Any]:
        """Predict one encounter; over HTTP the lean route answers, this describes it to BentoML's clients."""
        answer = await self.worker.predict.answer(msgspec.json.encode(record), b"", perf_counter())
        return dict(msgspec.to_builtins(answer))


def build_service(settings: Settings) -> LeanService:
    """Return the service.

    Args:
        settings: Settings of the API. BentoML needs the number of workers before it starts them.
    """
    decorate = bentoml.service(
        name="readmission",
        service_class=LeanService,
        workers=settings.api.workers,
        traffic={"timeout": 60},
        metrics={"enabled": False, "namespace": "bentoml_service"},
        logging={"access": {"enabled": False}},
        # BentoML's spans would hold whole URLs; `Traced` makes one per request, for BentoML's routes too.
        tracing={"excluded_urls": ".*"},
    )
    service: LeanService = decorate(Endpoints)
    service.settings = settings
    return service


def __getattr__(name: str) -> LeanService:
    """Build the service when BentoML asks for it, so that importing this module reads no settings."""
    if name != SERVICE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    service = globals()[SERVICE] = build_service(load_settings())
    return service
