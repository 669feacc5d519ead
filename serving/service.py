"""The BentoML service: `bentoml serve serving.service:Readmission`, `bentoml build`, `python -m serving.server`.

BentoML packages the code, runs the workers and their life cycle. Its middleware (access log, tracing, timer)
costs more than a prediction, so `to_asgi` puts the API in front of BentoML's own application; that is a
documented way to get at it (`service_class`), and holds under `bentoml serve` and any other ASGI server.
"""

import asyncio
import contextlib
import gc
import logging
import subprocess
import sys
from typing import Any

import bentoml

from readmission import settings as configuration
from readmission import tracing
from readmission.logs import configure_logging
from serving.app import Api
from serving.edge.auth import Guard
from serving.edge.drain import QUIET, Drain
from serving.edge.tracing import Traced
from serving.http import Application
from serving.metrics import Metrics
from serving.predict.loaded_models import Models
from serving.predict.predictor import Predictor
from serving.prediction_log.spool import PredictionLog
from serving.routes.explain import Explain
from serving.routes.feedback import Feedback
from serving.routes.info import Info
from serving.routes.predict_batch import Batch
from serving.sidecar import launch

log = logging.getLogger(__name__)


class Worker:
    """Hold everything of one worker process and wire it up."""

    def __init__(self) -> None:
        settings = self.settings = configuration.load()
        models_folder = settings.home / "models" / settings.model_name
        share = settings.challenger_share if settings.challenger == "canary" else 0.0
        self.metrics = Metrics(settings.home)
        self.models = Models(models_folder, settings.model_name, share)
        token = settings.reload_token.get_secret_value() if settings.reload_token else ""
        self.guard = Guard(settings.api_keys, token)
        self.predictor = Predictor(
            self.models, self.metrics, None, shadow=settings.challenger == "shadow",
            wait_for_disk=settings.prediction_log == "sync", refuse_when_full=settings.spool_full == "refuse",
        )  # fmt: skip
        self.drain = Drain()
        self.info = Info(self.predictor, models_folder, self.drain)
        self._tasks: list[asyncio.Task[None]] = []
        self._sidecar: subprocess.Popen[bytes] | None = None

    def wrap(self, inner: Application) -> Application:
        """Return the API in front of BentoML's application, traced where that is asked for."""
        settings = self.settings
        api = Api(
            inner, self.predictor, self.guard, self.drain, max_body=settings.api_max_body,
            max_waiting=settings.api_max_waiting,
        )  # fmt: skip
        info = self.info
        batch = Batch(self.predictor, settings.api_max_batch_body, settings.api_max_records)
        api.routes |= {
            "/predict_batch": {"POST": ("predict", batch)},
            "/explain": {"POST": ("predict", Explain(self.predictor, settings.api_max_body))},
            "/feedback": {"POST": ("feedback", Feedback(settings))},
            "/model-info": {"GET": (None, info.model)},
            "/model-card": {"GET": (None, info.card)},
            "/health": {"GET": (None, info.health)},
            "/livez": {"GET": (None, info.live)},
            "/readyz": {"GET": (None, info.ready)},
            "/metrics": {"GET": (None, info.metrics)},
            "/reload-model": {"POST": ("admin", info.reload)},
            "/openapi.json": {"GET": (None, info.openapi)},
            "/docs": {"GET": (None, info.docs)},
            "/": {"GET": (None, info.docs)},
        }
        return Traced(api, api.routes) if settings.trace_endpoint else api

    async def start(self) -> None:
        """Load the model on disk and start what runs beside the requests."""
        settings = self.settings
        tracing.start(settings, "readmission-api")
        self.drain.on_signals(asyncio.get_running_loop(), min(QUIET, settings.api_drain / 2))
        launch.end_with_parent()
        (settings.home / "models" / settings.model_name).mkdir(parents=True, exist_ok=True)
        if settings.prediction_log != "off":
            self.predictor.log = PredictionLog(
                settings.home / "spool", settings.log_interval, settings.spool_bytes,
                sync=settings.prediction_log == "sync",
            )  # fmt: skip
        # The threads beside the event loop (log, batches) hold Python's lock for 1 ms at most, not 5.
        sys.setswitchinterval(0.001)
        self.models.start(asyncio.get_running_loop())
        self._sidecar = launch.ensure(settings.home)
        # What is there now stays: the collector need not look through it again, for tens of milliseconds each time.
        gc.collect()
        gc.freeze()
        self._tasks.append(asyncio.create_task(self._tick()))

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            try:
                self.metrics.flush()
                self.guard.refresh()
                if self.predictor.log is not None:
                    self.predictor.log.refresh()
                if self._sidecar is None or self._sidecar.poll() is not None:
                    self._sidecar = launch.ensure(self.settings.home)
            except Exception:
                # A failing look at metrics or keys must not end the looks to come.
                log.exception("the periodic look failed")

    async def stop(self) -> None:
        """Write and forget what is left; requests have been answered by now."""
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self.models.stop()
        if self.predictor.log is not None:
            self.predictor.log.close()
        await asyncio.to_thread(tracing.stop)


worker = Worker()


class LeanService(bentoml.Service[Any]):  # type: ignore[misc]
    """Put the API in front of BentoML's application."""

    def to_asgi(self, is_main: bool = True) -> Application:
        """Return the ASGI application of one worker."""
        # In place of BentoML's own, which drops what is not its own below a warning.
        configure_logging(worker.settings.log_format)
        # uvicorn builds the arguments of its access log even when nobody reads it.
        logging.getLogger("uvicorn.access").disabled = True
        return worker.wrap(super().to_asgi(is_main=is_main))


@bentoml.service(
    name="readmission",
    service_class=LeanService,
    workers=worker.settings.api_workers,
    traffic={"timeout": 60},
    metrics={"enabled": False, "namespace": "bentoml_service"},
    logging={"access": {"enabled": False}},
    # Spans of its own would hold whole URLs; `Traced` has one for each route, its own ones too.
    tracing={"excluded_urls": ".*"},
)
class Readmission:
    """Predict readmission of diabetic patients; /docs describes the whole API."""

    @bentoml.on_startup  # type: ignore[untyped-decorator]
    async def start(self) -> None:
        """Start the worker."""
        await worker.start()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def stop(self) -> None:
        """Stop the worker."""
        await worker.stop()

    @bentoml.api  # type: ignore[untyped-decorator]
    def predict(self, record: dict[str, Any], /) -> dict[str, Any]:
        """Predict one encounter; over HTTP the lean route answers, this describes it to BentoML's clients."""
        import msgspec

        answer = worker.predictor.one(msgspec.json.encode(record), b"", 0.0)
        if isinstance(answer, tuple):
            raise bentoml.exceptions.ServiceUnavailable("this model is answered over HTTP only")
        return dict(msgspec.to_builtins(answer))
