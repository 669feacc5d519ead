"""No Ingress without a door: keys, a log-in of its own, or one that is named; metrics are for the cluster alone."""

import re
from typing import Any

import chartlib
import helm_python as helm
import pytest

from serving.app import BENTOML

DOOR = {"nginx.ingress.kubernetes.io/auth-url": "https://login.example.org/oauth2/auth"}


def ingresses(environment: str, **ingress: Any) -> dict[str, dict[str, Any]]:
    """Return every Ingress of ours by the first word of its host; Airflow and Grafana have log-ins of their own."""
    items = {}
    for release in chartlib.releases(environment, **({"ingress": ingress} if ingress else {})):
        for item in chartlib.render(release, chartlib.ROOT / release.chart) if release.ours else ():
            if item["kind"] == "Ingress":
                items[item["spec"]["rules"][0]["host"].split(".")[0]] = item
    return items


@pytest.mark.parametrize("environment", ["staging", "prod"])
def test_what_has_no_log_in_is_not_reachable_until_it_gets_one(environment: str) -> None:
    assert ingresses(environment).keys() == {"inference"}
    with_door = ingresses(environment, door=DOOR)
    assert with_door.keys() == {"inference", "mlflow", "demo"}
    for name in ("mlflow", "demo"):
        annotations = with_door[name]["metadata"]["annotations"]
        assert DOOR.items() <= annotations.items() and len(annotations) > len(DOOR), "the others are kept"


@pytest.mark.parametrize(("name", "more"), [("mlflow", {}), ("demo", {"apiUrl": "http://api"})])
def test_a_chart_alone_refuses_an_open_page(name: str, more: dict[str, str]) -> None:
    ingress = {"enabled": True, "host": "h"}
    values = {"global": {"postgres": {"host": "db"}}, "ingress": ingress, **more}
    route = {"enabled": True, "host": "h", "gateway": {"name": "g"}}
    for part in ({}, {"ingress": {}, "route": route}):
        with pytest.raises(helm.HelmError, match=r"(ingress|route)\.enabled: .* has no log-in of its own"):
            chartlib.render_ours(name, values | part)
    ingress["open"] = True
    assert [o for o in chartlib.render_ours(name, values) if o["kind"] == "Ingress"]


def test_every_path_of_the_api_is_routed_but_metrics() -> None:
    source = (chartlib.ROOT / "serving").rglob("*.py")
    paths = {path for file in source for path in re.findall(r'Route\("(/[^"{]*)"', file.read_text())}
    paths |= {"/predict", "/fhir/RiskAssessment", "/cds-services", "/reload-model", "/reload_model", *BENTOML}
    assert {"/predict_batch", "/metrics", "/docs"} <= paths
    rules = ingresses("prod")["inference"]["spec"]["rules"][0]["http"]["paths"]
    exact = {rule["path"] for rule in rules if rule["pathType"] == "Exact"}
    prefixes = tuple(rule["path"] for rule in rules if rule["pathType"] == "Prefix")
    left = {path for path in paths if path not in exact and not f"{path}/".startswith(tuple(f"{p}/" for p in prefixes))}
    # The demo's own pages are behind its door as a whole.
    demo = {"/template.csv", "/example.csv"}
    assert left - demo == {"/metrics"}
