"""`readmission status` as text, and without a system."""

import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from readmission.embedded import status
from readmission.embedded.supervisor import Supervisor
from tests.conftest import free_port, make_settings

MODEL = {"name": "m", "version": "3", "family": "lightgbm", "synthetic": True, "metrics": {"test_roc_auc_30": 0.66666}}


def state(**values: Any) -> dict[str, Any]:
    part = {"url": "http://127.0.0.1:1", "pid": 7, "healthy": True}
    batch = {"batch_id": 1, "read": 9, "accepted": 7, "quarantined": 1, "duplicate": 1, "synthetic": True}
    return {"ready": True, "parts": {"api": part}, "batches": [batch], "model": MODEL} | values


def test_text_shows_parts_batches_and_model() -> None:
    text = status.render(state())
    for expected in ("up   api", "(pid 7)", "read 9, accepted 7", "version 3 (lightgbm", "0.667", "SYNTHETIC"):
        assert expected in text
    assert "NOT ready" not in text


def test_text_says_how_many_outcomes_are_immature() -> None:
    batch = {"batch_id": 1, "read": 9, "accepted": 9, "quarantined": 0, "duplicate": 0, "synthetic": False}
    assert "outcome not known yet of 4" in status.render(state(batches=[batch | {"immature": 4}]))
    assert "not known" not in status.render(state(batches=[batch | {"immature": 0}]))


def test_text_says_what_is_down() -> None:
    part = {"url": "http://127.0.0.1:1", "pid": None, "healthy": False}
    text = status.render(state(ready=False, parts={"api": part}, model={}))
    assert "DOWN api" in text
    assert "NOT ready" in text
    assert "model" not in text


def test_without_a_system_nothing_is_ready(tmp_path: Path) -> None:
    ports = {f"{name}_port": free_port() for name in ("postgres", "mlflow", "api", "ui")}
    collected = status.collect(make_settings(tmp_path, **ports))
    assert collected["ready"] is False
    assert collected["batches"] == []
    assert collected["model"] == {}
    assert not any(part["healthy"] or part["pid"] for part in collected["parts"].values())


def test_parts_of_another_system_are_not_taken_for_ours(tmp_path: Path) -> None:
    with HTTPServer(("127.0.0.1", 0), Healthy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ports = {f"{name}_port": free_port() for name in ("postgres", "mlflow", "ui")}
        collected = status.collect(make_settings(tmp_path, **ports, api_port=server.server_port))
        server.shutdown()
    assert collected["parts"]["api"] | {"url": ""} == {"url": "", "pid": None, "healthy": False, "foreign": True}
    assert (collected["ready"], collected["model"]) == (False, {})
    assert "not of this system" in status.render(collected)


class Healthy(BaseHTTPRequestHandler):
    """Another system's API, which is alive."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


def test_text_says_since_when_it_runs_how_old_the_data_is_and_what_of_the_disk_it_takes() -> None:
    hours = (datetime.now(UTC) - timedelta(hours=5)).isoformat()
    batches = [state()["batches"][0] | {"ingested": text} for text in ("2026-01-01T08:00:00+00:00", hours)]
    about = {"started": "08:15 on 27 November", "home": "/x/.state", "disk_used": 3 * 10**8, "disk_free": 22 * 10**9}
    text = status.render(state(batches=batches, **about))
    for expected in ("came in 5.0 hours ago", "running since 08:15", "/x/.state: 0.3 GB, 22.0 GB"):
        assert expected in text


def test_a_supervisor_that_has_just_ended_and_files_that_vanish_break_nothing(tmp_path: Path) -> None:
    assert Supervisor(make_settings(tmp_path)).started_at() == "unknown"
    folder = tmp_path / "state" / "deep"
    folder.mkdir(parents=True)
    (folder / "file").write_bytes(b"12345")
    assert status._size(folder.parent) == 5
    stop = threading.Event()

    def churn() -> None:
        number = 0
        while not stop.is_set():
            path = folder / f"vanishes-{number % 50}"
            path.write_bytes(b"")
            path.unlink()
            number += 1

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        assert {status._size(folder.parent) for _ in range(500)} == {5}
    finally:
        stop.set()
        thread.join()
