"""A full spool refuses requests if the settings say so; a registry that hangs holds up no prediction."""

import socket
import time
from pathlib import Path

from readmission.settings import Settings
from tests.integration.api.tools import EXAMPLE, Api, Starter, install, rows, until


def test_a_full_spool_may_refuse_instead(compiled: dict[str, Path], tmp_path: Path) -> None:
    install(tmp_path, compiled["lightgbm"], "1")
    settings = {"READMISSION_SPOOL_FULL": "refuse", "READMISSION_SPOOL_BYTES": str(1 << 20)}
    api = Api(tmp_path, settings).wait("/readyz")
    try:
        many = {"records": [EXAMPLE] * 3000}
        assert api.http.post("/predict_batch", json=many).status_code == 200
        refused = until(lambda: (answer := api.predict()).status_code == 503 and answer)
        assert "log is full" in refused.json()["error"] and refused.headers["retry-after"]
        assert api.http.get("/health").json()["prediction_log"] == "full"
        for path in (tmp_path / "spool").glob("*.log"):
            path.unlink()
        until(lambda: api.predict().status_code == 200)
    finally:
        api.stop()


def test_a_registry_that_never_answers_holds_up_no_prediction(
    start: Starter, database: Settings, compiled: dict[str, Path]
) -> None:
    install(database.home, compiled["lightgbm"], "1")
    slowest = 0.0
    with socket.create_server(("127.0.0.1", 0), backlog=100) as silent:
        api: Api = start(READMISSION_MLFLOW_URI=f"http://127.0.0.1:{silent.getsockname()[1]}").wait("/readyz")
        time.sleep(2)
        for count in range(1, 4):
            assert api.predict().status_code == 200
            began = time.monotonic()
            until(lambda: rows(database, "SELECT count(*) FROM serving.predictions") == [(count,)], 30)  # noqa: B023
            slowest = max(slowest, time.monotonic() - began)
    assert slowest < 5, f"{slowest:.1f} s until a prediction was stored"
