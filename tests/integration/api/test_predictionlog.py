"""A full spool refuses requests if the settings say so."""

from pathlib import Path

from tests.integration.api.tools import EXAMPLE, Api, install, until


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
