"""The README's first command: on the synthetic sample without the data, then on the real data where it is."""

import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from readmission import contract
from tests.system.conftest import System


def predict_without_data(system: System) -> str:
    """Start a system that reaches no data, ask it for a prediction, and stop it; give the prediction's id."""
    proxies = ("HTTPS_PROXY", "https_proxy")
    system.environment |= dict.fromkeys(proxies, "http://127.0.0.1:9")
    instead = system.run("up", "--detach", timeout=560)
    assert instead.returncode == 0, instead.stderr[-3000:]
    assert "SYNTHETIC sample" in instead.stderr
    assert system.status()["model"]["synthetic"] is True
    first = httpx.post(f"{system.api}/predict", json=dict(contract.EXAMPLE)).json()["prediction_id"]
    assert system.run("down").returncode == 0
    for name in proxies:
        del system.environment[name]
    return str(first)


@pytest.mark.real
@pytest.mark.timeout(900)
def test_ctrl_c_stops_everything_that_the_real_data_started(
    tmp_path_factory: pytest.TempPathFactory, real_source: Path
) -> None:
    """Without the data, then with it, in the foreground."""
    system = System(tmp_path_factory.mktemp("real") / "state")
    first = predict_without_data(system)
    system.environment["READMISSION_SOURCE"] = str(real_source)
    foreground = subprocess.Popen(
        [sys.executable, "-m", "readmission.cli", "up"],
        env=system.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A terminal's Ctrl-C: a test runner in the background has its children ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert foreground.stdout is not None
    output = []
    try:
        for line in foreground.stdout:
            output.append(line)
            if "Ctrl-C stops" in line:
                break
        state = system.status()
        assert state["ready"] is True, "".join(output)
        assert [batch["read"] for batch in state["batches"]] == [15000] * 6 + [11766]
        assert state["model"]["synthetic"] is False
        assert state["model"]["metrics"]["test_roc_auc_30"] >= 0.67
        assert state["model"]["metrics"]["test_roc_auc_30"] < 0.72
        assert state["model"]["metrics"]["test_accuracy_gain"] >= 0.02
        outcome = {"prediction_id": first, "outcome": "NO"}
        assert httpx.post(f"{system.api}/feedback", json=outcome).status_code == 404, (
            "a prediction of the sample stayed"
        )
    finally:
        foreground.send_signal(signal.SIGINT)
        foreground.wait(90)
    assert system.processes() == []
