"""What holds for every object of ours, whatever chart makes it."""

import re
from typing import Any

import chartlib
import helm_python as helm
import pytest

from tests.charts.conftest import Platform, Pod

LABELS = {f"app.kubernetes.io/{k}" for k in ("name", "instance", "component", "part-of", "version", "managed-by")}
SELECTOR = {f"app.kubernetes.io/{k}" for k in ("name", "instance", "component")}
#: Monitors of services that charts of others bring.
OTHERS = {"readmission-observability-airflow-statsd"}
HOST = {"global": {"postgres": {"host": "db"}}, "mlflowUrl": "http://mlflow:5000"}
OPEN = {"apiKeys": {"open": True}}
#: The only image of others in a chart of ours.
DOOR = "quay.io/oauth2-proxy/oauth2-proxy:"


def of_kind(platform: Platform, *kinds: str) -> list[dict[str, Any]]:
    return [o for objects in platform.values() for o in objects if o["kind"] in kinds]


def test_pods_are_restricted(pods: list[Pod]) -> None:
    assert len(pods) >= 12
    for name, _, _, spec in pods:
        security = spec["securityContext"]
        assert security["runAsNonRoot"] and security["runAsUser"] > 0, name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert spec["enableServiceLinks"] is False, name
        assert spec["automountServiceAccountToken"] is name.endswith("credentials"), name
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            resources = container["resources"]
            assert resources["requests"].keys() >= {"cpu", "memory"} and "memory" in resources["limits"], name


def test_servers_have_three_probes(platform: Platform) -> None:
    servers = 0
    for item in of_kind(platform, "Deployment"):
        container = item["spec"]["template"]["spec"]["containers"][0]
        if container.get("ports") and "loadtest" not in item["metadata"]["name"]:
            servers += 1
            assert container.keys() >= {"startupProbe", "readinessProbe", "livenessProbe"}, item["metadata"]["name"]
    assert servers >= 4


def test_labels_and_selectors(platform: Platform, pods: list[Pod]) -> None:
    for item in (o for objects in platform.values() for o in objects):
        assert item["metadata"]["labels"].keys() >= LABELS, (item["kind"], item["metadata"]["name"])
    for item in of_kind(platform, "Deployment", "Service", "ServiceMonitor", "PodDisruptionBudget"):
        if item["metadata"]["name"] in OTHERS:
            continue
        selector = item["spec"]["selector"]
        labels = selector.get("matchLabels", selector)
        assert labels.keys() == SELECTOR
        if item["kind"] != "ServiceMonitor":
            assert any(labels.items() <= own.items() for _, _, own, _ in pods), item["metadata"]["name"]


def test_monitors_find_their_service(platform: Platform) -> None:
    services = of_kind(platform, "Service")
    for monitor in of_kind(platform, "ServiceMonitor"):
        if monitor["metadata"]["name"] in OTHERS:
            continue
        labels = monitor["spec"]["selector"]["matchLabels"].items()
        [service] = [s for s in services if labels <= s["metadata"]["labels"].items()]
        assert monitor["spec"]["endpoints"][0]["port"] in {p["name"] for p in service["spec"]["ports"]}


def test_alerts_and_panels_lead_to_the_runbooks_of_the_repository(platform: Platform) -> None:
    base = chartlib.state("prod", **chartlib.ANSWERS)["monitoring"]["runbooks"]
    texts = [str(o["spec"]) for o in of_kind(platform, "PrometheusRule")]
    texts += [o["data"][n] for o in of_kind(platform, "ConfigMap") for n in o["data"] if n.endswith(".json")]
    links = {link for text in texts for link in re.findall(r"[^\s'\"]*runbooks/[^\s'\"#]+", text)}
    assert base.startswith("https://") and len(links) > 20
    for link in links:
        assert link.startswith(f"{base}/"), link
        assert (chartlib.ROOT / "docs" / "runbooks" / link.removeprefix(f"{base}/")).is_file(), link


def test_services_reach_named_ports(platform: Platform) -> None:
    services = of_kind(platform, "Service")
    assert len(services) >= 5
    for service in services:
        selector = service["spec"]["selector"].items()
        templates = [d["spec"]["template"] for d in of_kind(platform, "Deployment")]
        [target] = [t for t in templates if selector <= t["metadata"]["labels"].items()]
        names = {p["name"] for p in target["spec"]["containers"][0]["ports"]}
        assert {p["targetPort"] for p in service["spec"]["ports"]} <= names


def test_images_carry_the_version(platform: Platform) -> None:
    version = chartlib.state("prod", **chartlib.ANSWERS)["version"]
    for objects in platform.values():
        for image in (image for image in chartlib.images(objects) if not image.startswith(DOOR)):
            assert image.startswith("registry.example.org/readmission/") and image.endswith(f":{version}")
            name = image.rsplit("/")[-1].split(":")[0]
            assert (chartlib.ROOT / "images" / f"{name}.args").is_file(), image


def test_no_password_is_rendered(platform: Platform) -> None:
    assert of_kind(platform, "Secret") == []
    for item in (o for objects in platform.values() for o in objects):
        plain = re.findall(r"\{'name': '([^']*(?:PASSWORD|TOKEN|SECRET)[^']*)', 'value'", str(item))
        assert plain == [], item["metadata"]["name"]


def test_each_pod_gets_only_its_own_password(pods: list[Pod]) -> None:
    analysts = {part: {"ANALYST"} for part in ("notebook", "pgadmin")}
    own = {"inference": {"SERVING"}, "observability": {"EXPORTER"}} | analysts
    for name, _, labels, spec in pods:
        variables = {e["name"] for c in spec["containers"] for e in c.get("env") or []}
        prefix = "READMISSION_POSTGRES_PASSWORD_"
        roles = {v.removeprefix(prefix) for v in variables if v.startswith(prefix)}
        component = labels["app.kubernetes.io/component"]
        if component not in ("migrate", "backup", "restore"):  # these three work on every role's data
            assert roles == own.get(component, set()), name


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("inference", {"replica": 2}, "replica"),
        ("mlflow", {"artifacts": {"bucket": "x"}}, "bucket"),
        ("readmission", {"global": {"postgres": {"hots": "x"}}}, "hots"),
        ("readmission", {"demo": {"replica": 2}}, "replica"),
        ("inference", {"spread": "often"}, "spread"),
    ],
)
def test_values_that_are_unknown_are_refused(name: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises(helm.HelmError, match=message):
        chartlib.render_ours(name, values)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("mlflow", {}, r"global\.postgres\.host: name the Postgres server"),
        ("inference", HOST | OPEN | {"ingress": {"enabled": True}}, r"ingress\.host: name the host"),
        ("inference", HOST | {"ingress": {"enabled": True, "host": "h"}}, r"ingress\.enabled: without API keys"),
        ("inference", HOST | {"tmpSize": "1G"}, r"tmpSize 1G: give it in Ki, Mi, Gi or Ti"),
        ("inference", OPEN | {"route": {"enabled": True}}, r"route\.gateway\.name: name the Gateway"),
        ("inference", {"route": {"enabled": True, "host": "h"}}, r"route\.enabled: without API keys"),
        ("foundation", {"networkPolicies": {"flows": [{"from": ["mars"], "to": ["x"]}]}}, 'names the endpoint "mars"'),
    ],
)
def test_wrong_combinations_say_what_is_missing(name: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises(helm.HelmError, match=message):
        chartlib.render_ours(name, values)


@pytest.mark.parametrize(("size", "spool"), [("1Gi", 2**29), ("512Mi", 2**28), ("4096Ki", 2**21)])
def test_the_spool_leaves_half_of_tmp_to_models_and_metrics(size: str, spool: int) -> None:
    variables = environment(chartlib.render_ours("inference", HOST | {"tmpSize": size}))
    assert variables["READMISSION_SPOOL_BYTES"] == str(spool)


@pytest.mark.parametrize(
    ("more", "kind"), [({}, "HorizontalPodAutoscaler"), ({"keda": True}, "ScaledObject")], ids=["hpa", "keda"]
)
def test_the_spool_and_the_model_outlive_their_pod_on_a_volume(more: dict[str, Any], kind: str) -> None:
    kept = {"persistence": {"enabled": True, "size": "8Gi", "storageClass": "fast"}}
    objects = chartlib.render_ours("inference", HOST | kept | {"autoscaling": {"enabled": True} | more})
    [workload] = [o for o in objects if o["kind"] in ("Deployment", "StatefulSet")]
    assert workload["spec"]["serviceName"] in {o["metadata"]["name"] for o in objects if o["kind"] == "Service"}
    assert workload["spec"]["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    [claim] = workload["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["storageClassName"] == "fast"
    variables = environment(objects)
    mounts = workload["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]
    assert {"name": claim["metadata"]["name"], "mountPath": variables["READMISSION_HOME"]} in mounts
    assert variables["READMISSION_SPOOL_BYTES"] == str(4 * 2**30)
    [scaler] = [o for o in objects if o["kind"] == kind]
    assert scaler["spec"]["scaleTargetRef"]["kind"] == "StatefulSet"


def test_the_file_of_api_keys_is_mounted_whole_so_that_a_change_reaches_it() -> None:
    objects = chartlib.render_ours("inference", HOST | {"apiKeys": {"existingSecret": "doors"}})
    [pod] = [o["spec"]["template"]["spec"] for o in objects if o["kind"] == "Deployment"]
    assert {"name": "api-keys", "secret": {"secretName": "doors"}} in pod["volumes"]
    [mount] = [m for m in pod["containers"][0]["volumeMounts"] if m["name"] == "api-keys"]
    assert "subPath" not in mount and mount["readOnly"]
    assert environment(objects)["READMISSION_API_KEYS"] == mount["mountPath"] + "/keys"


def environment(objects: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the environment of the container of the only Deployment or StatefulSet."""
    [pod] = [o["spec"]["template"]["spec"] for o in objects if o["kind"] in ("Deployment", "StatefulSet")]
    return {entry["name"]: entry.get("value") for entry in pod["containers"][0]["env"]}


def test_the_api_keeps_its_service_through_an_update(platform: Platform) -> None:
    [api] = [o for o in of_kind(platform, "Deployment") if o["metadata"]["name"] == "readmission-inference"]
    pod = api["spec"]["template"]["spec"]
    assert api["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    drain = int(pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    assert 0 < drain < pod["terminationGracePeriodSeconds"]
    assert "replicas" not in api["spec"]  # the autoscaler's
    assert of_kind(platform, "ScaledObject") and of_kind(platform, "PodDisruptionBudget")


def test_keda_takes_pods_away_after_the_calm_that_values_name_and_not_for_want_of_an_answer(platform: Platform) -> None:
    [scaler] = [o["spec"] for o in of_kind(platform, "ScaledObject")]
    behavior = scaler["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert behavior == {"scaleDown": {"stabilizationWindowSeconds": 120}}
    assert scaler["fallback"] == {"failureThreshold": 4, "replicas": 3, "behavior": "currentReplicasIfHigher"}


def test_mlflow_has_no_gateway_to_language_models_and_reports_to_nobody() -> None:
    variables = environment(chartlib.render_ours("mlflow", {"global": HOST["global"]}))
    names = ("MLFLOW_ENABLE_AI_GATEWAY", "MLFLOW_DISABLE_TELEMETRY", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION")
    assert [variables[name] for name in names] == ["false", "true", "false"]


def test_scaling_is_by_hpa_without_keda() -> None:
    kinds = {o["kind"] for o in chartlib.render_ours("inference", HOST | {"autoscaling": {"enabled": True}})}
    assert "HorizontalPodAutoscaler" in kinds and "ScaledObject" not in kinds


def test_namespaces_deny_by_default_and_are_restricted(platform: Platform) -> None:
    namespaces = {o["metadata"]["name"]: o["metadata"]["labels"] for o in of_kind(platform, "Namespace")}
    policies = of_kind(platform, "NetworkPolicy")
    denied = {o["metadata"]["namespace"] for o in policies if o["metadata"]["name"] == "default-deny"}
    assert denied == {"readmission", "readmission-data", "pipelines", "airflow"}
    assert {namespaces[name]["pod-security.kubernetes.io/enforce"] for name in denied} == {"restricted"}


def test_every_connection_that_is_allowed_has_both_ends(platform: Platform) -> None:
    policies = {o["metadata"]["name"] for o in of_kind(platform, "NetworkPolicy")}
    assert {"inference-to-postgres", "postgres-from-inference", "steps-to-object-store"} <= policies
    assert not {"demo-to-postgres", "inference-to-object-store"} & policies
