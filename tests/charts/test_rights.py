"""What every rendered Role and ClusterRole allows, those of others' charts too: each power is listed with a reason."""

from functools import cache
from typing import Any

import chartlib
import pytest

import charts

#: What lets an account take over others: Secrets, entering pods, making pods or tokens, giving rights.
RESOURCES = {
    ("", "secrets"): "secrets",
    ("", "pods/exec"): "enters pods",
    ("", "pods/attach"): "enters pods",
    ("", "pods/portforward"): "enters pods",
    ("", "pods/ephemeralcontainers"): "enters pods",
    ("", "pods"): "makes pods",
    ("apps", "deployments"): "makes pods",
    ("apps", "statefulsets"): "makes pods",
    ("apps", "daemonsets"): "makes pods",
    ("batch", "jobs"): "makes pods",
    ("batch", "cronjobs"): "makes pods",
    ("", "serviceaccounts/token"): "makes tokens",
    ("rbac.authorization.k8s.io", "roles"): "gives rights",
    ("rbac.authorization.k8s.io", "rolebindings"): "gives rights",
    ("rbac.authorization.k8s.io", "clusterroles"): "gives rights",
    ("rbac.authorization.k8s.io", "clusterrolebindings"): "gives rights",
}
READ = {"get", "list", "watch"}
WRITE = {"create", "update", "patch", "*"}
#: Powers by role, where the cluster is "*": nothing else may have any.
ALLOWED = {
    # The credentials Job makes Secrets; role, binding and account are deleted with it.
    **{
        ("foundation", namespace, "credentials"): {"reads secrets", "writes secrets"}
        for namespace in ("readmission", "readmission-data", "pipelines", "airflow", "monitoring")
    },
    # It copies the client's secret of the log-in, the one Secret of `default` that it may read, by name.
    ("foundation", "default", "foundation-credentials"): {"reads secrets"},
    # The scheduler starts each step as a pod of a namespace in which nothing else runs, and enters none.
    ("foundation", "pipelines", "pod-launcher"): {"makes pods"},
    # The operator writes the configuration of Prometheus and Alertmanager as Secrets, and runs them. Its chart has no
    # smaller role.
    ("readmission-monitoring", "*", "monitoring-operator"): {"reads secrets", "writes secrets", "makes pods"},
    # A hook of the same chart makes the certificate of the operator's webhook, in that namespace.
    ("readmission-monitoring", "monitoring", "monitoring-admission"): {"reads secrets", "writes secrets"},
    # KEDA makes its own certificates, and would run ScaledJobs.
    ("readmission-keda", "keda", "keda-operator-certs"): {"reads secrets", "writes secrets"},
    ("readmission-keda", "*", "keda-operator"): {"makes pods"},
}


def powers(rules: list[dict[str, Any]]) -> set[str]:
    """Return what rules allow of `RESOURCES`; "everything" for a wildcard of groups or resources."""
    powers_: set[str] = set()
    for rule in rules:
        verbs = set(rule["verbs"])
        groups, resources = rule.get("apiGroups") or [], rule.get("resources") or []
        if "*" in groups or "*" in resources or verbs & {"escalate", "bind", "impersonate"}:
            powers_.add("everything")
        for kind in ((group, resource) for group in groups for resource in resources):
            power = RESOURCES.get(kind, "")
            if power == "secrets":
                powers_ |= {"reads secrets"} if verbs & {*READ, "*"} else set()
                powers_ |= {"writes secrets"} if verbs & WRITE else set()
            elif power and (verbs & WRITE or power == "enters pods"):
                powers_.add(power)
    return powers_


@cache
def granted(environment: str = "prod") -> dict[tuple[str, str, str], set[str]]:
    """Return the powers of every role of an environment that has any: (release, namespace or *, name) -> powers."""
    roles: dict[tuple[str, str, str], set[str]] = {}
    for release in chartlib.releases(environment):
        chart = charts.find_chart(release, charts.charts_folder())
        if chart is None:
            pytest.skip(f"the chart of {release.name} is not in CHARTS_DIR: its rights are not judged")
        for item in chartlib.render(release, chart):
            if item["kind"] in ("Role", "ClusterRole") and (allowed := powers(item.get("rules") or [])):
                where = "*" if item["kind"] == "ClusterRole" else item["metadata"].get("namespace", release.namespace)
                roles[release.name, where, item["metadata"]["name"]] = allowed
    return roles


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_no_role_has_a_power_that_is_not_listed_with_its_reason(environment: str) -> None:
    roles = granted(environment)
    assert {role: allowed for role, allowed in roles.items() if ALLOWED.get(role) != allowed} == {}
    if environment == "prod":
        assert roles.keys() == ALLOWED.keys(), "a reason for a role that is not there"


def test_no_account_beside_the_keys_of_airflow_may_enter_or_start_a_pod() -> None:
    beside = {role for role, allowed in granted().items() if role[1] in ("airflow", "*") and "enters pods" in allowed}
    assert beside == set()
    assert not [role for role in granted() if role[0] == "airflow"]


def test_grafana_reads_the_configuration_of_two_namespaces_and_no_secret() -> None:
    (release,) = (r for r in chartlib.releases("prod") if r.name == "readmission-monitoring")
    chart = charts.find_chart(release, charts.charts_folder())
    if chart is None:
        pytest.skip("the chart of readmission-monitoring is not in CHARTS_DIR")
    objects = chartlib.render(release, chart)
    bindings = [
        o
        for o in objects
        if o["kind"] in ("RoleBinding", "ClusterRoleBinding")
        and "monitoring-grafana" in {subject["name"] for subject in o["subjects"]}
    ]
    assert {(o["kind"], o["metadata"]["namespace"]) for o in bindings} == {
        ("RoleBinding", "readmission"),
        ("RoleBinding", "monitoring"),
    }
    names = {o["roleRef"]["name"] for o in bindings}
    rules = [o["rules"] for o in objects if o["kind"] == "Role" and o["metadata"]["name"] in names]
    assert rules == [[{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"]}]] * 2
    (grafana,) = (o for o in objects if o["kind"] == "Deployment" and o["metadata"]["name"] == "monitoring-grafana")
    sidecars = {
        container["name"]: {entry["name"]: entry.get("value") for entry in container["env"]}
        for container in grafana["spec"]["template"]["spec"]["containers"]
        if "-sc-" in container["name"]
    }
    assert sidecars["grafana-sc-dashboard"]["NAMESPACE"] == "readmission,monitoring"
    assert {environment["RESOURCE"] for environment in sidecars.values()} == {"configmap"}


@pytest.mark.parametrize(
    ("rule", "power"),
    [
        ({"apiGroups": ["*"], "resources": ["x"], "verbs": ["get"]}, {"everything"}),
        ({"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}, {"reads secrets"}),
        ({"apiGroups": [""], "resources": ["secrets"], "verbs": ["*"]}, {"reads secrets", "writes secrets"}),
        ({"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}, set()),
        ({"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["get"]}, {"enters pods"}),
        ({"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["bind"]}, {"everything"}),
    ],
)
def test_a_rule_is_understood(rule: dict[str, Any], power: set[str]) -> None:
    assert powers([rule]) == power
