"""What the state values `cluster`, `monitoring` and `objectStore` make of the releases."""

import json
from typing import Any

import chartlib
import pytest
import yaml

import charts

OURS = {"readmission", "readmission-data", "pipelines", "airflow", "monitoring", "keda"}


def rendered(environment: str = "prod", **over: Any) -> dict[str, list[dict[str, Any]]]:
    """Render every release whose chart is on disk: release -> objects."""
    pairs = [(r, charts.find_chart(r, charts.charts_folder())) for r in chartlib.releases(environment, **over)]
    return {r.name: chartlib.render(r, chart) for r, chart in pairs if chart}


def pod_specs(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    templated = ("Deployment", "StatefulSet", "DaemonSet", "Job")
    return [o["spec"]["template"]["spec"] for o in objects if o["kind"] in templated]


def test_a_prefix_leaves_no_namespace_without_it() -> None:
    for release, objects in rendered(cluster={"namePrefix": "site-"}).items():
        namespaces = {o["metadata"].get("namespace") for o in objects} - {None, "default", "kube-system"}
        assert all(namespace.startswith("site-") for namespace in namespaces), (release, namespaces)
        text = chartlib.as_json([o for o in objects if o["kind"] != "CustomResourceDefinition"])
        for name in ("readmission-data", "pipelines"):
            assert f'"namespace": "{name}"' not in text and f".{name}:" not in text, release


def test_namespaces_of_others_get_the_same_policies() -> None:
    ours, others = (
        rendered("dev", cluster={"namespaces": {"create": create}})["foundation"] for create in (True, False)
    )
    absent = {f"{o['kind']} {o['metadata']['name']}" for o in ours if o not in others}
    assert {name.split()[0] for name in absent} == {"Namespace", "PriorityClass"}
    assert [o for o in others if o not in ours] == []


def test_secrets_for_pulling_reach_every_pod_and_step() -> None:
    everything = rendered(cluster={"pullSecrets": ["registry"]})
    seen = 0
    for release, objects in everything.items():
        for spec in pod_specs(objects):
            assert {"name": "registry"} in spec.get("imagePullSecrets", []), (release, spec["containers"][0]["image"])
            seen += 1
    assert seen >= 8
    [copies] = [o["data"]["copies.json"] for o in everything["foundation"] if "copies.json" in o.get("data", {})]
    assert json.loads(copies)["from"] == "default"
    assert set(json.loads(copies)["to"]["registry"]) == OURS
    [airflow] = [r for r in chartlib.releases("prod", cluster={"pullSecrets": ["registry"]}) if r.name == "airflow"]
    step = json.loads(airflow.values["config"]["readmission"]["pod"])
    assert step == {"serviceAccountName": "step", "imagePullSecrets": [{"name": "registry"}]}


def test_openshift_gets_no_user_from_us() -> None:
    for release, objects in rendered("dev", cluster={"podSecurityContext": {"runAsNonRoot": True}}).items():
        if release in ("readmission-monitoring", "readmission-keda"):  # there, OpenShift has its own
            continue
        for spec in pod_specs(objects):
            assert not {"runAsUser", "runAsGroup", "fsGroup"} & (spec.get("securityContext") or {}).keys(), release


def test_every_volume_has_the_storage_class() -> None:
    classes = list[Any]()

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if "accessModes" in node and "resources" in node:
                classes.append(node.get("storageClassName"))
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    for objects in rendered(cluster={"storageClass": "fast"}).values():
        walk([o for o in objects if o["kind"] != "CustomResourceDefinition"])
    assert set(classes) <= {"fast"}
    assert len(classes) == (5 if charts.charts_folder() else 0)


def test_own_cas_are_mounted_and_named() -> None:
    everything = rendered("dev", cluster={"caBundle": "PEM"})
    bundles = {
        o["metadata"]["namespace"] for o in everything["foundation"] if o["metadata"]["name"] == "readmission-ca"
    }
    assert bundles >= {"readmission", "pipelines", "airflow"}
    for spec in pod_specs(everything["readmission"]):
        variables = {e["name"]: e.get("value") for e in spec["containers"][0]["env"]}
        assert {"name": "ca", "configMap": {"name": "readmission-ca"}} in spec["volumes"]
        assert variables["SSL_CERT_FILE"] == variables["PGSSLROOTCERT"] == "/etc/readmission/ca/ca.crt"


def test_a_prometheus_of_the_cluster_scrapes_and_may_connect() -> None:
    monitoring = {"install": False, "namespace": "observability", "labels": {"release": "theirs"}}
    everything = rendered("dev", monitoring=monitoring)
    monitors = [o for o in everything["readmission"] if o["kind"] in ("ServiceMonitor", "PrometheusRule")]
    assert len(monitors) >= 6 and all(o["metadata"]["labels"]["release"] == "theirs" for o in monitors)
    [policy] = [o for o in everything["foundation"] if o["metadata"]["name"] == "inference-from-prometheus"]
    [peer] = policy["spec"]["ingress"][0]["from"]
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "observability"}
    unseen = rendered("dev", monitoring={"install": False})["readmission"]
    assert not [o for o in unseen if o["kind"] in ("ServiceMonitor", "PrometheusRule")]


def test_with_identity_no_pod_has_keys_of_the_object_store() -> None:
    role = {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/x"}
    store = {"install": False, "auth": "identity", "roles": dict.fromkeys(("mlflow", "feed", "steps"), role)}
    everything = rendered("dev", objectStore=store)
    assert "AWS_SECRET_ACCESS_KEY" not in chartlib.as_json(everything["readmission"])
    accounts = [
        (o["metadata"]["namespace"], o["metadata"]["name"])
        for objects in everything.values()
        for o in objects
        if o["kind"] == "ServiceAccount" and o["metadata"].get("annotations") == role
    ]
    assert sorted(accounts) == [
        ("pipelines", "step"),
        ("readmission", "readmission-feed"),
        ("readmission", "readmission-mlflow"),
    ]


@pytest.mark.parametrize(
    ("endpoint", "port"),
    [("", 443), ("https://s3.example.org", 443), ("http://s3.example.org", 80), ("https://s3.example.org:9443", 9443)],
)
def test_the_port_of_the_object_store_follows_from_its_endpoint(endpoint: str, port: int) -> None:
    foundation = rendered("dev", objectStore={"install": False, "endpoint": endpoint})["foundation"]
    [policy] = [o for o in foundation if o["metadata"]["name"] == "mlflow-to-object-store"]
    assert policy["spec"]["egress"] == [{"ports": [{"port": port}]}]


def test_addresses_of_dns_and_api_server_are_those_of_the_cluster() -> None:
    cluster = {"apiPorts": [8443], "dns": {"namespace": "dns", "pods": {"app": "coredns"}, "cidr": "169.254.20.10/32"}}
    foundation = rendered("dev", cluster=cluster)["foundation"]
    [deny] = [
        o for o in foundation if o["metadata"]["name"] == "default-deny" and o["metadata"]["namespace"] == "airflow"
    ]
    assert (
        yaml.safe_load("""
      - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: dns}}
        podSelector: {matchLabels: {app: coredns}}
      - {ipBlock: {cidr: 169.254.20.10/32}}
    """)
        == deny["spec"]["egress"][0]["to"]
    )
    [scheduler] = [o for o in foundation if o["metadata"]["name"] == "airflow-scheduler-to-kubernetes-api"]
    assert scheduler["spec"]["egress"] == [{"ports": [{"port": 8443}]}]


def test_a_gateway_gets_routes_and_there_is_no_ingress() -> None:
    gateway = {"name": "public", "namespace": "", "section": "https"}
    ingress = {"namespace": "gateways", "domain": "hospital.example.org", "gateway": gateway}
    log_in = {"issuer": "", "required": False}
    everything = rendered(ingress=ingress, logIn=log_in)
    items = [o for objects in everything.values() for o in objects]
    assert not [o for o in items if o["kind"] == "Ingress"]
    routes = {o["spec"]["hostnames"][0].split(".")[0]: o for o in items if o["kind"] == "HTTPRoute"}
    assert routes.keys() == {"inference", "airflow", "grafana"}
    everything = rendered(ingress=ingress | {"gateway": gateway | {"hasLogIn": True}}, logIn=log_in)
    items = [o for objects in everything.values() for o in objects]
    routes = {o["spec"]["hostnames"][0].split(".")[0]: o for o in items if o["kind"] == "HTTPRoute"}
    assert routes.keys() == {"mlflow", "inference", "demo", "airflow", "grafana"}
    paths = {match["path"]["value"] for match in routes["inference"]["spec"]["rules"][0]["matches"]}
    assert {"/predict", "/fhir", "/docs"} <= paths and not paths & {"/metrics"}
    services = {(o["metadata"].get("namespace"), o["metadata"]["name"]): o for o in items if o["kind"] == "Service"}
    for name, route in routes.items():
        assert route["spec"]["hostnames"] == [f"{name}.hospital.example.org"]
        assert route["spec"]["parentRefs"] == [{"name": "public", "namespace": "gateways", "sectionName": "https"}]
        [target] = route["spec"]["rules"][0]["backendRefs"]
        # Those of others are there where their charts are.
        key = (route["metadata"]["namespace"], target["name"])
        assert key in services or name in ("airflow", "grafana")
        if service := services.get(key):
            assert target["port"] in {port["port"] for port in service["spec"]["ports"]}, name
    [allowed] = [o for o in everything["foundation"] if o["metadata"]["name"] == "inference-from-ingress"]
    assert "gateways" in str(allowed["spec"]["ingress"])
    [mlflow] = [o for o in items if o["metadata"]["name"] == "readmission-mlflow" and o["kind"] == "Deployment"]
    assert "mlflow.hospital.example.org" in str(mlflow)


def test_a_route_takes_further_fields_of_its_rule() -> None:
    rule = {"timeouts": {"request": "60s"}, "sessionPersistence": {"sessionName": "demo"}}
    gateway = {"enabled": True, "open": True, "host": "h", "gateway": {"name": "g"}}
    over = {"apiUrl": "http://api", "route": gateway | {"rule": rule}}
    [route] = [o for o in chartlib.render_ours("demo", over) if o["kind"] == "HTTPRoute"]
    assert route["spec"]["rules"] == [rule | {"backendRefs": [{"name": "demo", "port": 8081}]}]


#: Releases with objects of the whole cluster, which only one of two installations may install.
SHARED = {"readmission-crds", "readmission-monitoring", "readmission-keda"}


def test_two_installations_share_nothing_but_what_one_of_them_installs() -> None:
    first = rendered("dev", keda={"install": True})
    second = rendered(
        "dev", cluster={"namePrefix": "staging-"}, monitoring={"install": False, "namespace": "monitoring"}
    )
    assert not SHARED & second.keys()

    def identities(everything: dict[str, list[dict[str, Any]]]) -> dict[tuple[str, str, str], str]:
        return {
            (o["kind"], o["metadata"].get("namespace", ""), o["metadata"]["name"]): release
            for release, objects in everything.items()
            for o in objects
        }

    # Without a namespace an object belongs to the release's, which the prefix sets apart.
    cluster_wide = {"ClusterRole", "ClusterRoleBinding", "Namespace", "PriorityClass", "APIService", "IngressClass"}
    theirs, ours = identities(first), identities(second)
    both = [
        key
        for key in theirs.keys() & ours.keys()
        if key[1] or key[0] in cluster_wide or key[0].endswith(("WebhookConfiguration", "Definition"))
    ]
    assert both == []
    assert ("PriorityClass", "", "staging-readmission-answers") in ours
    # What both have in `default`, the namespace of `foundation`, is called after the release.
    assert {name for kind, namespace, name in ours if namespace == "default"} == {"staging-foundation-credentials"}
    for key in theirs:
        if key[0] in ("ClusterRole", "ClusterRoleBinding") and theirs[key] not in SHARED:
            pytest.fail(f"{key[2]} of {theirs[key]} is of the whole cluster")


def test_the_releases_of_two_installations_have_names_of_their_own() -> None:
    def placed(**over: Any) -> set[tuple[str, str]]:
        return {(r.namespace, r.name) for r in chartlib.releases("dev", **over)}

    assert not placed() & placed(cluster={"namePrefix": "staging-"})
