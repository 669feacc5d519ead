"""The whole system as a user has it: `readmission up` to a served prediction, status, a second start, a clean stop."""

import os
import signal
import time
from pathlib import Path

import httpx
import psutil
import pytest

from readmission import contract
from tests.conftest import free_port
from tests.system.conftest import PARTS, System


def test_status_tells_every_part_batch_and_the_model(system: System) -> None:
    state = system.status()
    assert state["ready"] is True
    assert set(state["parts"]) >= PARTS
    for name in PARTS:
        part = state["parts"][name]
        assert part["healthy"] is True
        assert psutil.pid_exists(part["pid"])
        assert str(system.ports[name]) in part["url"]
    for batch in state["batches"]:
        assert batch["read"] == batch["accepted"] + batch["quarantined"] + batch["duplicate"] > 0
    model = state["model"]
    assert model["name"] == "diabetes_readmission"
    assert {"test_roc_auc_30", "test_pr_auc_30", "test_ece_30", "test_accuracy", "test_f1_score_weighted"} <= set(
        model["metrics"]
    )


def test_synthetic_data_is_called_so_everywhere(system: System) -> None:
    state = system.status()
    assert all(batch["synthetic"] for batch in state["batches"])
    assert state["model"]["synthetic"] is True
    assert httpx.get(f"{system.api}/model-info").json()["synthetic"] is True
    assert "SYNTHETIC" in system.run("status").stdout
    assert "SYNTHETIC" in httpx.get(f"{system.api}/model-card").text


def test_a_prediction_is_answered_with_the_champion(system: System) -> None:
    answer = httpx.post(f"{system.api}/predict", json=dict(contract.EXAMPLE)).json()
    assert answer["prediction"] in contract.CLASSES
    assert sum(answer["probabilities"].values()) == pytest.approx(1)
    assert answer["readmission_risk_30d"] == pytest.approx(answer["probabilities"]["<30"])
    assert answer["model_version"] == system.status()["model"]["version"]


def test_a_second_up_goes_on_in_seconds_and_changes_nothing(system: System) -> None:
    before = system.status()
    start = time.monotonic()
    again = system.run("up", "--detach", "--sample")
    assert again.returncode == 0, again.stderr
    assert time.monotonic() - start < 30
    after = system.status()
    assert after["batches"] == before["batches"]
    assert after["model"] == before["model"]
    assert {n: p["pid"] for n, p in after["parts"].items()} == {n: p["pid"] for n, p in before["parts"].items()}


def test_a_second_up_that_fails_leaves_the_system_running(system: System) -> None:
    before = system.status()
    system.environment["READMISSION_SOURCE"] = "/absent.csv"
    try:
        again = system.run("up")
    finally:
        del system.environment["READMISSION_SOURCE"]
    assert again.returncode == 1
    assert "already running" in again.stdout
    after = system.status()
    assert after["ready"] is True
    assert {n: p["pid"] for n, p in after["parts"].items()} == {n: p["pid"] for n, p in before["parts"].items()}


def test_a_second_up_with_another_port_is_a_sentence_at_once(system: System) -> None:
    environment = dict(system.environment)
    system.environment["READMISSION_API_PORT"] = str(free_port())
    try:
        again = system.run("up", "--detach", "--sample", timeout=60)
    finally:
        system.environment = environment
    assert again.returncode == 1
    assert "not on port" in again.stderr and "READMISSION_API_PORT" in again.stderr, again.stderr
    assert system.status()["ready"] is True


def test_a_busy_port_is_a_sentence(system: System, tmp_path: Path) -> None:
    other = System(tmp_path / "other")
    other.environment["READMISSION_API_PORT"] = str(system.ports["api"])
    result = other.run("up", "--detach", "--sample")
    assert result.returncode == 1
    assert f"Port {system.ports['api']}" in result.stderr
    assert "READMISSION_API_PORT" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_killed_part_comes_back(system: System) -> None:
    pid = system.status()["parts"]["api"]["pid"]
    children = psutil.Process(pid).children(recursive=True)
    os.kill(pid, signal.SIGKILL)
    assert psutil.wait_procs(children, timeout=60)[1] == [], "the killed server left its workers behind"
    deadline = time.monotonic() + 60
    while (state := system.status())["parts"]["api"]["pid"] in (pid, None) or not state["ready"]:
        assert time.monotonic() < deadline, state
        time.sleep(0.5)


def test_a_killed_supervisor_leaves_no_orphan_and_up_goes_on(system: System) -> None:
    assert system.run("up", "--detach", "--sample").returncode == 0  # it runs, unless this test failed before
    supervisor = int((system.home / "supervisord.pid").read_text())
    os.kill(supervisor, signal.SIGKILL)
    psutil.wait_procs(system.processes(), timeout=60)
    assert system.processes() == []
    again = system.run("up", "--detach", "--sample")
    assert again.returncode == 0, again.stderr
    assert system.status()["ready"] is True


def test_down_leaves_no_process_and_keeps_the_state(system: System) -> None:
    """Last: it stops the system of this module."""
    assert len(system.processes()) >= len(PARTS)
    assert system.run("down").returncode == 0
    assert system.processes() == []
    state = system.status()
    assert state["ready"] is False
    assert not any(part["healthy"] for part in state["parts"].values())
    assert (system.home / "postgres" / "PG_VERSION").exists()
    assert system.run("down", "--forget").returncode == 0
    assert not system.home.exists()
