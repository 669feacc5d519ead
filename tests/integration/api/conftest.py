"""Fixtures of the tests of the API: compiled models, started processes, a registry."""

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from readmission import models
from readmission.data import synthetic
from readmission.evaluation import operating_points
from readmission.evaluation.metrics import Scored
from readmission.features import encoding, history
from readmission.scorer import compiler
from readmission.scorer.manifest import complete_artifact
from readmission.settings import Settings
from tests.integration.api.collector import Collector
from tests.integration.api.tools import Api, Registry, Starter, install


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Give the artifact folders of two different models."""
    text = pd.read_csv(io.BytesIO(synthetic.generate(1500, seed=5)), dtype=str, keep_default_na=False, skiprows=1)
    frame = history.add(encoding.typed_frame(text))
    visits = history.pack(frame)
    folders = {}
    for family, params in {"lightgbm": {"n_estimators": 20, "min_child_samples": 5}, "decision_tree": {}}.items():
        fitted = models.build(family, params).fit(frame, encoding.target(frame))
        scored = Scored(encoding.target(frame), fitted.predict_proba(frame), frame["patient_nbr"].to_numpy())
        folders[family] = tmp_path_factory.mktemp(family)
        compiler.compile_pipeline(
            fitted,
            folders[family],
            family=family,
            sample=frame[:100],
            metrics={"test_roc_auc_30": 0.6},
            synthetic=True,
            visits=visits,
            points=operating_points.choose_points(scored),
            bands=operating_points.choose_bands(scored),
            prevalence=float(scored.event.mean()),
        )
    check: dict[str, str | float | bool | None] = {
        "gate": "fast_enough",
        "figure": "scorer_microseconds",
        "value": 30.0,
        "limit": "at most 1000",
        "passed": True,
        "reason": "One row within a millisecond.",
    }
    cards = {
        "model_card.html": "<h1>Model card</h1>",
        "model_card.md": "# Model card",
        "applied_model_card.xml": "<A/>",
    }
    complete_artifact(folders["lightgbm"], [check], cards)
    return folders


@pytest.fixture(scope="module")
def api(compiled: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Run an API with keys, a limit of 600 records and half of the patients on the challenger."""
    home = tmp_path_factory.mktemp("api")
    install(home, compiled["lightgbm"], "7")
    keys = {"reader": ("r" * 20, "predict"), "ward": ("w" * 20, "predict,feedback"), "boss": ("b" * 20, "admin")}
    lines = [f"{name}:{hashlib.sha256(key.encode()).hexdigest()}:{scopes}" for name, (key, scopes) in keys.items()]
    (home / "keys").write_text("# name:sha256:scopes\n" + "\n".join(lines))
    running = Api(
        home,
        {
            "READMISSION_API_KEYS": str(home / "keys"),
            "READMISSION_API_MAX_RECORDS": "600",
            "READMISSION_CHALLENGER": "canary",
            "READMISSION_CHALLENGER_SHARE": "0.5",
        },
    )
    running.http.headers["authorization"] = "Bearer " + "w" * 20
    running.wait("/readyz")
    yield running
    assert running.stop() == 0


@pytest.fixture
def start(database: Settings) -> Iterator[Starter]:
    """Start APIs; each is ended with the test."""
    stored = {
        "READMISSION_POSTGRES_PORT": str(database.postgres.port),
        "READMISSION_POSTGRES_DATABASE": database.postgres.database,
        "READMISSION_POSTGRES_PASSWORD_SERVING": database.password("serving"),
        "READMISSION_PATIENT_KEY": database.privacy.patient_key.get_secret_value()
        if database.privacy.patient_key
        else "",
    }
    started: list[Api] = []

    def run(**environment: object) -> Api:
        api = Api(database.home, stored | {name: str(value) for name, value in environment.items()})
        started.append(api)
        return api

    yield run
    for api in started:
        if api.process.poll() is None:
            api.stop()


@pytest.fixture
def registry(mlflow_server: str) -> Registry:
    return Registry(mlflow_server)


@pytest.fixture
def collector() -> Iterator[Collector]:
    it = Collector()
    yield it
    it.server.shutdown()
    it.server.server_close()
