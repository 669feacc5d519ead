"""The embedded Prometheus: the chart's rules, loaded without an error, on the real exporter; and the status page."""

import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
import yaml
from prometheus_client import CollectorRegistry, start_http_server

from readmission.embedded import draw, monitoring, status_page
from readmission.embedded.component import answers
from readmission.monitoring.collector import DatabaseCollector
from readmission.settings import Settings
from readmission.steps import ingest, process
from tests.conftest import free_port

ROOT = Path(__file__).parents[3]


@pytest.fixture
def prometheus(database: Settings, sample: Path) -> Iterator[Settings]:
    """Run a real Prometheus on the exporter of a database with two batches."""
    if not shutil.which("prometheus"):
        pytest.skip("prometheus is not on PATH: its rules are checked by promtool or parsed only")
    config = database.model_copy(
        update={
            "batch_size": 1000,
            "exporter_port": free_port(),
            "prometheus_port": free_port(),
            "mlflow_uri": "http://127.0.0.1:9",
        }
    )
    ingest.run(config, source=str(sample), every=True)
    process.run(config)
    registry = CollectorRegistry()
    registry.register(DatabaseCollector(config))
    server, thread = start_http_server(config.exporter_port, "127.0.0.1", registry)
    [part] = [part for part in monitoring.parts(config) if part.name == "prometheus"]
    process_ = subprocess.Popen(part.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait(answers(f"http://127.0.0.1:{config.prometheus_port}/-/ready"), process_)
        yield config
    finally:
        process_.terminate()
        process_.wait(30)
        server.shutdown()
        thread.join()


def wait(ready: object, process_: subprocess.Popen[bytes], seconds: float = 30) -> None:
    for _ in range(int(seconds * 5)):
        if ready():  # type: ignore[operator]
            return
        assert process_.poll() is None
        threading.Event().wait(0.2)
    raise AssertionError(f"not ready after {seconds} s")


def ask(config: Settings, expression: str) -> list[dict]:
    answer = httpx.get(f"http://127.0.0.1:{config.prometheus_port}/api/v1/query", params={"query": expression})
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]["result"]


def test_rules_load_queries_answer_and_the_page_has_pictures(prometheus: Settings) -> None:
    url = f"http://127.0.0.1:{prometheus.prometheus_port}"
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
    panels = yaml.safe_load((ROOT / "charts" / "observability" / "panels.yaml").read_text())
    for panel in (p for b in panels.values() for row in b["rows"] for p in row["panels"]):
        for expression, _ in panel["queries"]:
            answered += bool(ask(prometheus, status_page.fill(expression)))
    assert answered >= 20  # what an exporter alone can tell

    own = f"http://127.0.0.1:{prometheus.board_port}/"
    for uid, least in (("", 15), ("readmission-data", 10)):
        page = status_page.page(status_page.Prometheus(url), uid)
        assert page.count("<figure ") >= least
        assert "alerts" in page or "No alert fires; 30 are watched" in page
        assert not [link for link in re.findall(r"(?:src|href)='(https?://[^']+)", page) if not link.startswith(own)]
    assert "<svg" in page
    assert "train" in page


def test_an_alert_leads_to_a_runbook_on_the_page(tmp_path: Path) -> None:
    config = Settings(home=tmp_path)  # type: ignore[call-arg]
    monitoring.configure(config)
    rules = "".join(path.read_text() for path in (tmp_path / "prometheus" / "rules").glob("*.yaml"))
    links = set(re.findall(r"runbook_url: (\S+)", rules))
    assert len(links) > 20
    for link in links:
        name = link.removeprefix(f"http://127.0.0.1:{config.board_port}/runbooks/").partition("#")[0]
        assert "<h2>Mitigation</h2>" in (status_page.runbook(name) or ""), link
    assert status_page.runbook("../../README.md") is None


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (0.00071, "s", "0.71 ms"), (31.0, "s", "31 s"), (7200.0, "s", "2 h"), (0.0005, "percentunit", "0.05 %"),
        (1.0, "bool_on_off", "yes"), (3.21e8, "bytes", "321 MB"), (12345.0, "short", "12,345"),
        (float("nan"), "s", "–"),
    ],
)  # fmt: skip
def test_numbers_are_written_for_people(value: float, unit: str, words: str) -> None:
    assert draw.words(value, unit) == words


def test_a_chart_draws_its_limit_and_names_what_it_leaves_out() -> None:
    series = [(f"s{i}", (0.0, 60.0), (0.0, float(i))) for i in range(8)]
    steps = [{"color": "green", "value": None}, {"color": "red", "value": 3}]
    drawn = draw.panel("timeseries", {"unit": "short", "thresholds": {"steps": steps}}, {}, series)
    assert drawn.count("<polyline") == 6
    assert "class=limit" in drawn
    assert "and 2 more" in drawn


def test_the_page_says_when_prometheus_is_away() -> None:
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(status_page.Handler, status_page.Prometheus("http://127.0.0.1:9"))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        assert httpx.get(f"{url}/health").status_code == 200
        answer = httpx.get(url)
        assert answer.status_code == 503
        assert "Prometheus does not answer" in answer.text
    finally:
        server.shutdown()
        server.server_close()


def test_without_the_program_only_the_exporter_runs_and_a_person_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = Settings(home=tmp_path, prometheus_command="no-such-program")  # type: ignore[call-arg]
    assert [part.name for part in monitoring.parts(config)] == ["exporter"]
    assert "READMISSION_PROMETHEUS_COMMAND" in caplog.text
