"""Every query of every panel, asked of a real Prometheus that reads the real API, demo, feed, MLflow, exporter, steps.

Runs before test_up.py, on the same system.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from gradio_client import Client

from readmission import contract
from readmission.data import synthetic
from readmission.embedded import monitoring, status_page
from readmission.settings import Settings
from serving.demo import form
from serving.demo.presets import PRESETS
from tests.conftest import wait_until
from tests.panels import PANELS, expand
from tests.system.conftest import System

#: Panels that may be empty in a healthy system, and are not in this test, which does what they show.
PROVOKED = {
    "Turned away",
    "Why rows were refused",
    "Failures",
    "Alerts",
    "Batches given free",
    "Open",
    "Requests to the feed",
}

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus") is None,
    reason="there is no program `prometheus` on PATH (apt-get install prometheus): no query is asked",
)


@pytest.fixture(scope="module")
def feed(system: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run the feed beside the system and have Prometheus read it too, as with Airflow."""
    folder = tmp_path_factory.mktemp("feed")
    environment = system.environment | {
        "READMISSION_HOME": str(folder),
        "READMISSION_FEED_SOURCE": str(system.home / "cache" / "synthetic-6000.csv"),
        "READMISSION_FEED_OPENING": "",
        "READMISSION_FEED_INTERVAL": "0",
    }
    process = subprocess.Popen([sys.executable, "-m", "readmission.cli", "feed"], env=environment)
    url = f"http://127.0.0.1:{system.ports['feed']}"
    try:
        wait_until(lambda: answers(f"{url}/metrics"), 60, process)
        ports = {f"{name}_port": port for name, port in system.ports.items()}
        pid = system.status()["parts"]["prometheus"]["pid"]
        monitoring.configure(Settings(home=system.home, airflow=True, **ports))  # type: ignore[arg-type]
        os.kill(pid, signal.SIGHUP)
        wait_until(lambda: ("feed", "up") in targets(system), 60, process)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def targets(system: System) -> set[tuple[str, str]]:
    """Return job and health of everything that Prometheus reads."""
    active = httpx.get(f"http://127.0.0.1:{system.ports['prometheus']}/api/v1/targets").json()["data"]["activeTargets"]
    return {(target["labels"]["job"].removeprefix("readmission-"), target["health"]) for target in active}


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.HTTPError:
        return False


def traffic(system: System, feed: str, times: int) -> list[str]:
    """Send what clients send, right and wrong; return the ids of the predictions."""
    record, ids = dict(contract.EXAMPLE), []
    with httpx.Client(base_url=system.api) as api:
        for number in range(times):
            answer = api.post(
                "/predict", json=record | {"number_inpatient": number % 8, "time_in_hospital": 1 + number % 9}
            )
            ids.append(answer.json()["prediction_id"])
        assert api.post("/predict", json=record | {"age": "old"}).status_code == 400
        assert api.post("/predict", content=b"x" * 70_000).status_code == 413
        assert api.post("/predict_batch", json={"records": [record] * 50}).status_code == 200
        assert api.post("/explain", json=record).status_code in (200, 501)
    httpx.get(f"{feed}/nothing")
    return ids


def new_batch(system: System, folder: Path) -> Path:
    """Write encounters that came later, every tenth with an age that no contract knows."""
    mark, head, *rows = synthetic.generate(8000, 8).decode().splitlines()
    age = head.split(",").index("age")
    for number in range(6000, 8000, 10):
        cells = rows[number].split(",")
        cells[age] = "old"
        rows[number] = ",".join(cells)
    path = folder / "later.csv"
    path.write_text("\n".join([mark, head, *rows[6000:]]) + "\n")
    return path


def steps(system: System, later: Path) -> None:
    """Run the steps of a usual day, and one that fails."""
    system.environment["READMISSION_OUTCOME_DELAY_DAYS"] = "0"
    for verb in (["ingest", "--source", str(later)], ["process"], ["score"], ["monitor"], ["outcomes"], ["retrain"]):
        done = system.run(*verb)
        assert done.returncode == 0, done.stderr
    assert system.run("ingest", "--source", str(later.with_name("absent.csv"))).returncode == 1


def tell_outcomes(system: System, ids: list[str]) -> None:
    outcomes = [{"prediction_id": name, "outcome": contract.CLASSES[number % 3]} for number, name in enumerate(ids)]
    answer = httpx.post(f"{system.api}/feedback", json=outcomes).json()
    assert answer["recorded"] + answer["pending"] == len(ids)


def ask(system: System, expression: str) -> list[float]:
    url = f"http://127.0.0.1:{system.ports['prometheus']}/api/v1/query"
    answer = httpx.get(url, params={"query": expand(expression)}, timeout=20)
    assert answer.status_code == 200, f"{expression}: {answer.text}"
    values = [float(row["value"][1]) for row in answer.json()["data"]["result"]]
    return [value for value in values if value == value]


def silent(system: System) -> set[tuple[str, str]]:
    """Return (panel, query) of what has no answer."""
    return {(p["title"], q[0]) for p in PANELS for q in p["queries"] if not ask(system, q[0])}


@pytest.mark.timeout(600)
def test_every_query_of_every_panel_has_data_or_a_reason(system: System, feed: str, tmp_path: Path) -> None:
    tell_outcomes(system, traffic(system, feed, 300))
    Client(f"http://127.0.0.1:{system.ports['ui']}", verbose=False).predict(
        form.fill(PRESETS[0].record), api_name="/estimate"
    )
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(steps, system, new_batch(system, tmp_path))
        while not done.done():  # so that rates see a difference
            traffic(system, feed, 20)
            time.sleep(1)
        done.result()
    excused = {
        (panel["title"], query[0])
        for panel in PANELS
        for query in panel["queries"]
        if "absent" in panel and panel["title"] not in PROVOKED
    }
    deadline = time.monotonic() + 90
    while (left := silent(system)) != excused and time.monotonic() < deadline:
        traffic(system, feed, 20)
        time.sleep(3)
    budgets = httpx.get(
        f"http://127.0.0.1:{system.ports['prometheus']}/api/v1/query", params={"query": "slo:budget_remaining:ratio"}
    ).json()["data"]["result"]
    assert {row["metric"]["slo"] for row in budgets} == {"availability", "latency", "freshness", "processing"}
    assert left - excused == set(), "panels without data and without a reason"
    assert excused - left == set(), "panels whose reason for being empty is not true here"
    page = httpx.get(f"http://127.0.0.1:{system.ports['board']}/").text
    for label, *_ in status_page.FIGURES:
        assert f"<dt>{label}</dt>" in page
    assert "no data yet" not in page


def alerts(system: System) -> set[str]:
    """Return what is pending or fires."""
    url = f"http://127.0.0.1:{system.ports['prometheus']}/api/v1/alerts"
    return {alert["labels"]["alertname"] for alert in httpx.get(url).json()["data"]["alerts"]}


def test_what_is_well_raises_no_alert(system: System, feed: str) -> None:
    """The parts are all there: of the alerts, only those of the step and the rows that the test spoilt are due."""
    deadline = time.monotonic() + 60  # some rounds of the rules
    while not (due := {"ReadmissionStepFailing", "ReadmissionQuarantineHigh"}) <= (raised := alerts(system)):
        assert time.monotonic() < deadline, f"not raised: {due - raised}"
        time.sleep(1)
    spoilt = {"ReadmissionRefusedInputs", "ReadmissionDriftSustained", "ReadmissionLiveQualityLow"}
    spoilt |= {"ReadmissionCalibrationOff", "ReadmissionStepFailing", "ReadmissionQuarantineHigh"}
    assert raised <= spoilt


def test_no_rule_fails_and_every_target_is_read(system: System, feed: str) -> None:
    url = f"http://127.0.0.1:{system.ports['prometheus']}/api/v1"
    groups = httpx.get(f"{url}/rules").json()["data"]["groups"]
    assert [rule["name"] for group in groups for rule in group["rules"] if rule["health"] == "err"] == []
    assert targets(system) == {(name, "up") for name in ("inference", "demo", "feed", "mlflow", "observability")}
