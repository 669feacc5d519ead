"""With `sslmode` and a CA bundle, whatever connects to Postgres or S3 is told to encrypt and whom to trust."""

from typing import Any

import chartlib
import pytest

import charts

BUNDLE = "/etc/readmission/ca/ca.crt"
ENCRYPTED: dict[str, Any] = {
    "cluster": {"caBundle": "PEM"},
    "postgres": {"install": False, "host": "db.example.org", "sslmode": "verify-full"},
    "objectStore": {"install": False, "endpoint": "https://s3.example.org"},
    "notebook": {"install": True},
    "pgadmin": {"install": True},
}


@pytest.fixture(scope="module")
def containers() -> dict[str, dict[str, Any]]:
    """Give the environment of each container of every release, by release, object and container."""
    everything = {}
    for release in chartlib.releases("prod", **ENCRYPTED):
        chart = charts.find_chart(release, charts.charts_folder())
        for item in chartlib.render(release, chart) if chart else ():
            spec = item.get("spec", {})
            template = spec.get("jobTemplate", {}).get("spec", spec).get("template", {}).get("spec", {})
            for container in template.get("containers", []) + template.get("initContainers", []):
                name = f"{release.name}/{item['kind']}/{item['metadata']['name']}/{container['name']}"
                everything[name] = {e["name"]: e.get("value", "") for e in container.get("env") or []}
    return everything


def test_every_client_of_the_database_verifies_it(containers: dict[str, dict[str, Any]]) -> None:
    addresses = {"READMISSION_POSTGRES_HOST", "PGPASSWORD", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"}
    clients = {name: environment for name, environment in containers.items() if environment.keys() & addresses}
    assert {name.split("/")[0] for name in clients} >= {"readmission"}
    parts = ("migrate", "mlflow/mlflow", "garbage", "inference", "observability", "backup", "notebook", "pgadmin")
    assert [part for part in parts if not any(part in name for name in clients)] == []
    for name, environment in clients.items():
        assert (environment.get("PGSSLMODE"), environment.get("PGSSLROOTCERT")) == ("verify-full", BUNDLE), name


def test_every_client_of_the_object_store_trusts_the_bundle(containers: dict[str, dict[str, Any]]) -> None:
    clients = {name: e for name, e in containers.items() if "AWS_SECRET_ACCESS_KEY" in e}
    assert len(clients) >= 3
    assert {name for name, environment in clients.items() if environment.get("AWS_CA_BUNDLE") != BUNDLE} == set()


def test_the_steps_are_told_too() -> None:
    [foundation] = [r for r in chartlib.releases("prod", **ENCRYPTED) if r.name == "foundation"]
    items = chartlib.render(foundation, chartlib.CHARTS / "foundation")
    [settings] = [o["data"] for o in items if o["metadata"]["name"] == "readmission-settings"]
    names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE", "PGSSLROOTCERT")
    assert {settings[name] for name in names} == {BUNDLE} and settings["PGSSLMODE"] == "verify-full"


MESH = {"cluster": {"mesh": "istio-ambient"}}
LABEL = "istio.io/dataplane-mode"


def foundation(environment: str, **over: Any) -> list[dict[str, Any]]:
    [release] = [r for r in chartlib.releases(environment, **over) if r.name == "foundation"]
    return chartlib.render(release, chartlib.CHARTS / "foundation")


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_a_mesh_gets_the_closed_namespaces_and_its_port_beside_those_of_every_flow_between_pods(
    environment: str,
) -> None:
    plain, meshed = (foundation(environment, **over) for over in ({}, MESH))
    labels = {o["metadata"]["name"]: o["metadata"]["labels"].get(LABEL) for o in meshed if o["kind"] == "Namespace"}
    closed = {o["metadata"]["namespace"] for o in meshed if o["metadata"]["name"] == "default-deny"}
    assert {name for name, mode in labels.items() if mode == "ambient"} == closed and len(closed) == 4
    before = {(o["metadata"]["namespace"], o["metadata"]["name"]): o for o in plain if o["kind"] == "NetworkPolicy"}
    after = {(o["metadata"]["namespace"], o["metadata"]["name"]): o for o in meshed if o["kind"] == "NetworkPolicy"}
    assert before.keys() == after.keys()
    for key, policy in after.items():
        spec, was = policy["spec"], before[key]["spec"]
        if key[1] == "default-deny":
            assert spec.pop("ingress") == [{"from": [{"ipBlock": {"cidr": "169.254.7.127/32"}}]}] and spec == was
            continue
        [direction] = spec.keys() & {"ingress", "egress"}
        [rule], [old] = spec[direction], was[direction]
        outside = direction == "egress" and not any("namespaceSelector" in peer for peer in rule.get("to", ()))
        added = [] if outside or "ports" not in old else [{"port": 15008}]
        assert rule == old | ({"ports": [*old["ports"], *added]} if "ports" in old else {}), key


def test_without_one_nothing_of_it_renders_and_another_is_refused() -> None:
    assert LABEL not in str(foundation("prod")) and "15008" not in str(foundation("prod"))
    with pytest.raises(Exception, match=r"cluster\.mesh: linkerd is not known; it may be istio-ambient"):
        foundation("prod", cluster={"mesh": "linkerd"})
