"""The embedded Prometheus: the chart's rules, loaded without an error, on the real exporter; and the status page."""

import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry, Gauge, start_http_server
from starlette.testclient import TestClient

from readmission.embedded import monitoring, status_page
from readmission.embedded.component import answers
from readmission.monitoring.collector import DatabaseCollector
from readmission.settings import Settings
from readmission.steps import ingest, process
from tests.conftest import free_port
from tests.panels import PANELS, expand


@pytest.fixture
def prometheus(database: Settings, sample: Path) -> Iterator[Settings]:
    """Run a real Prometheus on the exporter of a database with two batches."""
    if not shutil.which("prometheus"):
        pytest.skip("prometheus is not on PATH: its rules are checked by promtool or parsed only")
    config = database.replace(
        batch_size=1000, exporter_port=free_port(), prometheus_port=free_port(), mlflow_uri="http://127.0.0.1:9"
    )
    ingest.run(config, source=str(sample), every=True)
    process.run(config)
    registry = CollectorRegistry()
    registry.register(DatabaseCollector(config))
    server, thread = start_http_server(config.monitoring.exporter_port, "127.0.0.1", registry)
    [part] = [part for part in monitoring.parts(config) if part.name == "prometheus"]
    process_ = subprocess.Popen(part.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait(answers(f"http://127.0.0.1:{config.monitoring.prometheus_port}/-/ready"), process_)
        yield config
    finally:
        process_.terminate()
        process_.wait(30)
        server.shutdown()
        thread.join()


def wait(ready: Callable[[], bool], process_: subprocess.Popen[bytes], seconds: float = 30) -> None:
    for _ in range(int(seconds * 5)):
        if ready():
            return
        assert process_.poll() is None
        threading.Event().wait(0.2)
    raise AssertionError(f"not ready after {seconds} s")


def ask(config: Settings, expression: str) -> list[dict]:
    answer = httpx.get(
        f"http://127.0.0.1:{config.monitoring.prometheus_port}/api/v1/query", params={"query": expression}
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]["result"]


def test_rules_load_queries_answer_and_the_page_has_figures(prometheus: Settings) -> None:
    url = f"http://127.0.0.1:{prometheus.monitoring.prometheus_port}"
    for _ in range(100):
        if ask(prometheus, "readmission_batches"):
            break
        threading.Event().wait(0.3)
    assert {row["metric"]["layer"]: row["value"][1] for row in ask(prometheus, "readmission_batches")} == {
        "raw": "2",
        "clean": "2",
    }
    groups = httpx.get(f"{url}/api/v1/rules").json()["data"]["groups"]
    assert sum(len(group["rules"]) for group in groups) > 60
    assert [rule["name"] for group in groups for rule in group["rules"] if rule["health"] == "err"] == []

    answered = 0
    for panel in PANELS:
        for expression, _ in panel["queries"]:
            answered += bool(ask(prometheus, expand(expression)))
    assert answered >= 20  # what an exporter alone can tell

    with TestClient(status_page.create(prometheus)) as page:
        text = page.get("/").text
    assert "What to do" in text or "No alert fires" in text
    assert re.search(r"<dt>Age of the data</dt><dd>\d+\.\d hours</dd>", text)
    assert "<dt>Requests</dt><dd>no data yet</dd>" in text, "there is no API here"


def test_an_alert_leads_to_a_runbook_on_the_page(tmp_path: Path) -> None:
    config = Settings(home=tmp_path)
    monitoring.configure(config)
    rules = "".join(path.read_text() for path in (tmp_path / "prometheus" / "rules").glob("*.yaml"))
    links = set(re.findall(r"runbook_url: (\S+)", rules))
    assert len(links) > 20
    board = TestClient(status_page.create(config), base_url=f"http://127.0.0.1:{config.monitoring.status_page_port}")
    for link in links:
        assert "<h2>Mitigation</h2>" in board.get(link).text, link
    assert board.get("/runbooks/..%2F..%2FREADME.md").status_code == 404


def test_the_page_works_when_prometheus_is_away(tmp_path: Path) -> None:
    config = Settings(home=tmp_path, prometheus_port=9)
    board = TestClient(status_page.create(config))
    assert board.get("/health").text == "ok"
    answer = board.get("/")
    assert answer.status_code == 200
    assert "Prometheus does not answer" in answer.text
    for link in (config.mlflow.tracking_uri, f"{config.api.base_url}/docs", f"http://127.0.0.1:{config.demo.port}"):
        assert f"href='{link}'" in answer.text
    for name in re.findall(r"href='(/runbooks/[^']+)'", answer.text):
        assert board.get(name).status_code == 200


def test_without_the_program_the_page_has_what_the_exporter_has_and_says_how_to_get_the_rest(tmp_path: Path) -> None:
    gauge = Gauge("readmission_batch_finished_timestamp_seconds", "When a batch was done.", ["layer"], registry=None)
    registry = CollectorRegistry()
    registry.register(gauge)
    gauge.labels("clean").set(1_700_000_000)
    server, thread = start_http_server(0, addr="127.0.0.1", registry=registry)
    try:
        config = Settings(
            home=tmp_path, prometheus_command="no-such-program", prometheus_port=9, exporter_port=server.server_port
        )
        assert [part.name for part in monitoring.parts(config)] == ["exporter", "board"]
        text = TestClient(status_page.create(config)).get("/").text
        assert text.count("READMISSION_PROMETHEUS_COMMAND") == 1
        assert "<td>When a batch was done.</td><td>clean</td><td>2023-11-14 22:13 UTC</td>" in text
    finally:
        server.shutdown()
        thread.join()
