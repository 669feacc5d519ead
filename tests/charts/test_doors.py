"""No Ingress without a door: keys, a log-in of its own, or one that is named; metrics are for the cluster alone."""

import json
import re
from pathlib import Path
from typing import Any

import chartlib
import helm_python as helm
import pytest

import charts
from serving.app import BENTOML

DOOR = {"nginx.ingress.kubernetes.io/auth-url": "https://login.example.org/oauth2/auth"}


#: Without the log-in by OpenID Connect that staging and prod ask for.
WITHOUT = {"logIn": {"issuer": "", "required": False}}


def rendered(environment: str, **over: Any) -> dict[str, list[dict[str, Any]]]:
    """Render every release of ours: release -> objects."""
    everything = chartlib.releases(environment, **over)
    return {r.name: chartlib.render(r, chartlib.ROOT / r.chart) for r in everything if r.ours}


def ingresses(environment: str, **over: Any) -> dict[str, dict[str, Any]]:
    """Return every Ingress of ours by the first word of its host; Airflow and Grafana have log-ins of their own."""
    items = [o for objects in rendered(environment, **over).values() for o in objects if o["kind"] == "Ingress"]
    return {item["spec"]["rules"][0]["host"].split(".")[0]: item for item in items}


def behind(ingress: dict[str, Any]) -> set[str]:
    """Return the Services that an Ingress leads to."""
    paths = [path for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]]
    return {path["backend"]["service"]["name"] for path in paths}


@pytest.mark.parametrize("environment", ["staging", "prod"])
def test_what_has_no_log_in_is_not_reachable_until_it_gets_one(environment: str) -> None:
    assert ingresses(environment, **WITHOUT).keys() == {"inference"}
    with_door = ingresses(environment, **WITHOUT, ingress={"door": DOOR})
    assert with_door.keys() == {"inference", "mlflow", "demo"}
    for name in ("mlflow", "demo"):
        annotations = with_door[name]["metadata"]["annotations"]
        assert DOOR.items() <= annotations.items() and len(annotations) > len(DOOR), "the others are kept"


@pytest.mark.parametrize("environment", ["staging", "prod"])
def test_every_address_without_a_log_in_of_its_own_leads_to_a_door(environment: str) -> None:
    items = ingresses(environment)
    assert {name: behind(item) for name, item in items.items()} == {
        "inference": {"readmission-inference"},
        "mlflow": {"door-to-mlflow"},
        "demo": {"door-to-demo"},
    }
    assert items["mlflow"]["spec"]["tls"][0]["secretName"] == "mlflow-tls"
    policies = {o["metadata"]["name"] for o in rendered(environment)["foundation"] if o["kind"] == "NetworkPolicy"}
    assert {"doors-from-ingress", "mlflow-from-door-mlflow", "demo-from-door-demo", "doors-to-issuer"} <= policies
    assert not policies & {"mlflow-from-ingress", "demo-from-ingress", "mlflow-from-door-demo"}


def test_dev_has_no_log_in_and_no_address() -> None:
    assert ingresses("dev") == {} and "door" not in rendered("dev")
    opened = {"namespace": "ingress-nginx", "domain": "dev.example.org"}
    assert ingresses("dev", ingress=opened, **WITHOUT, api={"keys": True}).keys() == {"inference"}


def test_a_gateway_leads_to_the_same_doors() -> None:
    gateway = {"namespace": "gateways", "gateway": {"name": "public"}}
    routes = [o for o in rendered("prod", ingress=gateway)["door"] if o["kind"] == "HTTPRoute"]
    hosts = {o["spec"]["hostnames"][0]: o["spec"]["rules"][0]["backendRefs"][0] for o in routes}
    assert hosts == {
        f"{name}.readmission.example.org": {"name": f"door-to-{name}", "port": 4180} for name in ("mlflow", "demo")
    }


def test_a_page_of_locust_is_behind_a_door_too_once_it_is_there() -> None:
    over = {"overrides": {"readmission": {"loadtest": {"enabled": True}}}}
    everything = rendered("prod", **over)
    [door] = [
        o for o in everything["door"] if o["metadata"]["name"] == "door-to-loadtest" and o["kind"] == "Deployment"
    ]
    arguments = door["spec"]["template"]["spec"]["containers"][0]["args"]
    assert "--upstream=http://readmission-loadtest-master:8089/" in arguments
    assert "readmission-loadtest-master" in {
        o["metadata"]["name"] for o in everything["readmission"] if o["kind"] == "Service"
    }
    assert "loadtest-page-from-door-loadtest" in {o["metadata"]["name"] for o in everything["foundation"]}


GROUPS = {"viewer": "cn=look,ou=groups", "operator": "ops team", "approver": "b:approvers"}


def test_the_three_groups_reach_every_program(upstream: Path) -> None:
    everything = {r.name: r for r in chartlib.releases("prod", logIn={"groups": GROUPS, "groupsClaim": "roles"})}
    doors = chartlib.render(everything["door"], chartlib.CHARTS / "door")
    allowed = {
        o["metadata"]["name"]: [
            a.partition("=")[2]
            for a in o["spec"]["template"]["spec"]["containers"][0]["args"]
            if a.startswith("--allowed-group=")
        ]
        for o in doors
        if o["kind"] == "Deployment"
    }
    assert allowed == {"door-to-mlflow": [GROUPS["operator"]], "door-to-demo": list(GROUPS.values())}
    setting = json.loads(everything["airflow"].values["config"]["readmission"]["log_in"])
    assert setting["groups"] == GROUPS and setting["groups_claim"] == "roles"
    chart = charts.find_chart(everything["airflow"], upstream)
    assert chart is not None
    objects = chartlib.render(everything["airflow"], chart)
    [configuration] = [o["data"]["airflow.cfg"] for o in objects if "airflow.cfg" in o.get("data", {})]
    fab = configuration.partition("[fab]")[2].partition("\n[")[0].split("\n")
    assert {"enable_proxy_fix = True", "session_max_lifetime_minutes = 480"} <= set(fab)
    with_secret = {o["metadata"]["name"] for o in objects if "READMISSION_LOG_IN_SECRET" in str(o)}
    assert with_secret == {"airflow-api-server"}
    chart = charts.find_chart(everything["readmission-monitoring"], upstream)
    assert chart is not None
    objects = chartlib.render(everything["readmission-monitoring"], chart)
    [grafana] = [o["data"]["grafana.ini"] for o in objects if "grafana.ini" in o.get("data", {})]
    [path] = re.findall("^role_attribute_path = (.*)$", grafana, re.M)
    roles = dict(re.findall(r"contains\(roles\[\*\], '([^']*)'\) && '(\w+)'", path))
    assert roles == {GROUPS["operator"]: "Editor", GROUPS["approver"]: "Viewer", GROUPS["viewer"]: "Viewer"}
    assert "role_attribute_strict = true" in grafana and "client_secret" not in grafana
    [pod] = [o for o in objects if o["kind"] == "Deployment" and o["metadata"]["name"] == "monitoring-grafana"]
    assert "GF_AUTH_GENERIC_OAUTH_CLIENT_SECRET" in str(pod)


def test_the_clients_secret_is_copied_to_where_it_is_read_and_nowhere_else() -> None:
    [copies] = [o["data"]["copies.json"] for o in rendered("prod")["foundation"] if "copies.json" in o.get("data", {})]
    assert json.loads(copies) == {"from": "default", "to": {"log-in": ["readmission", "airflow", "monitoring"]}}


def test_the_notes_say_whether_people_log_in() -> None:
    for over, sentence in (
        ({}, "People log in at https://login.example.org."),
        ({**WITHOUT, "ingress": {"door": DOOR}}, "People log in with a log-in of yours."),
        (WITHOUT, "Nobody has to log in to MLflow and the demo, so they have no address"),
    ):
        [release] = [r for r in chartlib.releases("prod", **over) if r.name == "readmission"]
        with helm.Chart.load(chartlib.CHARTS / "readmission") as chart:
            notes = chart.render(release.values, name="readmission", namespace="readmission")
        assert sentence in notes["readmission/templates/NOTES.txt"]


def test_mlflow_takes_changes_from_its_own_address() -> None:
    """A browser names the page's origin with each change, and MLflow refuses an origin that it does not know."""
    for over in ({}, {**WITHOUT, "ingress": {"door": DOOR}}):
        [item] = [
            o
            for o in rendered("prod", **over)["readmission"]
            if o["kind"] == "Deployment" and o["metadata"]["name"] == "readmission-mlflow"
        ]
        arguments = item["spec"]["template"]["spec"]["containers"][0]["args"]
        assert "--cors-allowed-origins=https://mlflow.readmission.example.org" in arguments
        assert "mlflow.readmission.example.org" in next(a for a in arguments if a.startswith("--allowed-hosts="))


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
