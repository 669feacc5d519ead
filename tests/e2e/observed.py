"""What is to be seen of the running system: the panels' queries in Prometheus, and traces at a collector."""

import contextlib
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import yaml
from chains import airflow
from cluster import ROOT, ProofError, forward, helmfile, kubectl, start, until
from install import VALUES
from proofs import connects

from readmission import contract

CHART = ROOT / "charts" / "observability"
COLLECTOR = Path(__file__).with_name("collector.yaml")
ADDRESS = ("collector.tracing", 4318)
#: Reasons of panels.yaml for an empty panel that do not hold on a cluster.
ON_A_CLUSTER = ("Kubernetes only", "with MinIO only", "runs with Airflow")


@contextlib.contextmanager
def prometheus() -> Iterator[Callable[[str], list[float]]]:
    """Give a function that asks Prometheus: the values of an expression's series, those that are numbers."""
    with forward("svc/monitoring-prometheus", "monitoring", 9090) as url:

        def ask(expression: str) -> list[float]:
            query = re.sub(r"\$(namespace|model_version)", ".*", expression)
            answer = httpx.get(f"{url}/api/v1/query", params={"query": query}, timeout=30).raise_for_status()
            values = [float(row["value"][1]) for row in answer.json()["data"]["result"]]
            return [v for v in values if v == v]

        yield ask


def panels() -> list[dict[str, Any]]:
    """Return the panels of every dashboard."""
    boards = yaml.safe_load((CHART / "panels.yaml").read_text())
    return [panel for board in boards.values() for row in board["rows"] for panel in row["panels"]]


def silent(chosen: list[dict[str, Any]]) -> list[str]:
    """Return the queries of panels that have no answer."""
    with prometheus() as ask:
        return [f"{p['title']}: {query}" for p in chosen for query, *_ in p["queries"] if not ask(query)]


def airflow_metrics() -> str:
    """Airflow's own metrics come through its exporter: the heartbeat that an alert watches, all that panels ask for."""
    groups = yaml.safe_load((CHART / "rules" / "symptoms.yaml").read_text())["groups"]
    [alert] = [r["expr"] for g in groups for r in g["rules"] if r.get("alert") == "ReadmissionAirflowHeartbeat"]
    about = [panel for panel in panels() if "airflow_" in str(panel["queries"])]

    def look() -> str:
        with prometheus() as ask:
            beats = ask(alert.removesuffix("== 0"))
            series = len(ask('{__name__=~"airflow_.+"}'))
        if not beats or min(beats) <= 0 or (left := silent(about)):
            raise ProofError(f"heartbeats in 5 minutes {beats}; without data: {left if beats else 'not asked'}")
        return f"{beats[0]:.0f} heartbeats in 5 minutes, {series} series, {len(about)} panels with data"

    return until(180, "Airflow's metrics", look, pause=5)


def dashboards() -> str:
    """Every panel that only a cluster can fill has data; tests/system/test_panels.py asks the others of theirs."""
    fillable = [p for p in panels() if any(r in p.get("absent", "") for r in ON_A_CLUSTER)]
    noted = ""
    with prometheus() as ask:
        if not ask("kubelet_volume_stats_capacity_bytes"):
            fillable = [p for p in fillable if p["title"] != "Volumes"]
            noted = "; Volumes not asked: this cluster's kubelet has no figures of its kind of volume"

    def look() -> str:
        if left := silent(fillable):
            raise ProofError(f"without data: {left}")
        return f"{sum(len(p['queries']) for p in fillable)} queries of {len(fillable)} panels have data{noted}"

    return until(120, "data in every panel", look, pause=5)


def traced() -> str:
    """With `tracing.endpoint`, a prediction's span and a step's reach a collector; then trace no more."""
    path, trace = VALUES.with_name("tracing.yaml"), secrets.token_hex(16)
    path.write_text("tracing: {endpoint: http://collector.tracing:4318}\n")
    start(COLLECTOR, "collector", "tracing")
    releases = ("-l", "name=foundation", "-l", "name=readmission", "sync")
    try:
        helmfile(*releases, values=(VALUES, path))
        for name in ("inference", "demo"):
            kubectl("-n", "readmission", "rollout", "status", f"deployment/readmission-{name}", "--timeout=120s")
        airflow("dags/readmission_monitor/dagRuns", "POST", {"logical_date": None})
        until(240, "spans of the API and of `monitor`", lambda: arrived(trace), pause=2)
        ways = {name: connects(f"deploy/readmission-{name}", "readmission", *ADDRESS) for name in ("demo", "mlflow")}
    finally:
        helmfile(*releases, values=(VALUES,))
        kubectl("delete", "namespace", "tracing")
    if ways["demo"] != "open" or not ways["mlflow"].startswith("refused"):
        raise ProofError(f"connections to the collector: {ways}")
    return f"POST /predict in its caller's trace {trace}, `monitor` of Airflow's pod; demo may reach it, MLflow not"


def arrived(trace: str) -> bool:
    """Ask for a prediction in a trace; tell whether the collector has it, and a span of the step `monitor`."""
    headers = {"traceparent": f"00-{trace}-{secrets.token_hex(8)}-01"}
    with forward("svc/readmission-inference", "readmission", 8080) as url:
        httpx.post(f"{url}/predict", json=dict(contract.EXAMPLE), headers=headers, timeout=30).raise_for_status()
    log = kubectl("-n", "tracing", "logs", "deployment/collector")
    patterns = (rf"readmission-api {trace} POST /predict", r"readmission-pipeline \w{32} monitor")
    return all(re.search(pattern, log) for pattern in patterns)
