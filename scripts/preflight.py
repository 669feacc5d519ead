#!/usr/bin/env python3
"""Say in one screen what a cluster lacks for this system: scripts/preflight.py [--quick] NEEDS.

NEEDS is the name of a file, `-`, or itself JSON: {"values": state values, "context": name, "cpu": cores, "memory":
bytes, "images": [names]}; all but `values` may be absent. `make preflight` makes it from what an environment renders.
With --quick nothing is created on the cluster: so helmfile asks before each sync. Standard library and kubectl only.
Exit code 1 if something is missing that stops the installation.
"""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from preflight_cluster import Cluster, Finding, quantity
from preflight_trials import tried

PART_OF = "app.kubernetes.io/part-of"
#: What needs to be created, and for whom it may be left out.
RIGHTS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "namespaces": lambda values: values["cluster"]["namespaces"]["create"],
    "customresourcedefinitions.apiextensions.k8s.io": lambda values: any(
        values[name]["install"] for name in ("monitoring", "keda", "cnpg")
    ),
    "clusterroles.rbac.authorization.k8s.io": lambda values: any(
        values[name]["install"] for name in ("monitoring", "keda", "cnpg")
    ),
    "priorityclasses.scheduling.k8s.io": lambda values: values["cluster"]["namespaces"]["create"],
    "networkpolicies.networking.k8s.io": lambda values: values["networkPolicies"],
    "roles.rbac.authorization.k8s.io": lambda values: True,
    "secrets": lambda values: True,
}


def storage(cluster: Cluster, values: dict[str, Any]) -> Iterator[Finding]:
    """Look for the storage class of the volumes."""
    classes = cluster.get("storageclasses")
    names = [item["metadata"]["name"] for item in classes]
    default = "storageclass.kubernetes.io/is-default-class"
    defaults = [c["metadata"]["name"] for c in classes if c["metadata"].get("annotations", {}).get(default) == "true"]
    chosen = values["cluster"]["storageClass"]
    if chosen and chosen not in names:
        yield Finding("FAIL", "storage class", f"there is no {chosen}; there are: {', '.join(names) or 'none'}")
    elif not chosen and not defaults:
        there = ", ".join(names) or "none: install a provisioner"
        yield Finding("FAIL", "storage class", f"no default. Set cluster.storageClass to one of: {there}")
    else:
        yield Finding("ok", "storage class", chosen or defaults[0])


def rights(cluster: Cluster, values: dict[str, Any]) -> Iterator[Finding]:
    """Ask whether this user may create what is installed."""
    needed = [kind for kind, applies in RIGHTS.items() if applies(values)]
    ask = ("auth", "can-i", "create", "--all-namespaces")
    absent = [kind.split(".")[0] for kind in needed if cluster.run(*ask, kind)[1] != "yes"]
    if absent:
        yield Finding(
            "FAIL", "rights", f"you may not create {', '.join(absent)}. Ask whoever runs the cluster for them"
        )
    else:
        yield Finding("ok", "rights", f"to create {len(needed)} kinds of objects")


def names(cluster: Cluster, values: dict[str, Any]) -> Iterator[Finding]:
    """Look for namespaces and releases of others under names of ours."""
    prefix, create = values["cluster"]["namePrefix"], values["cluster"]["namespaces"]["create"]
    parts = ["readmission", "readmission-data", "pipelines", "airflow"]
    parts += [name for name in ("monitoring", "keda", "cnpg") if values[name]["install"]]
    needed = [prefix + name for name in parts]
    present = {item["metadata"]["name"]: item["metadata"].get("labels", {}) for item in cluster.get("namespaces")}
    missing = [name for name in needed if name not in present]
    taken = [name for name in present if present[name].get(PART_OF) != "readmission" and name in needed]
    if create and taken:
        text = f"of others: {', '.join(taken)}. Set cluster.namePrefix, or cluster.namespaces.create to false"
        yield Finding("FAIL", "namespaces", text)
    elif not create and missing:
        text = f"absent: {', '.join(missing)}. Create them, or set cluster.namespaces.create to true"
        yield Finding("FAIL", "namespaces", text)
    else:
        yield Finding("ok", "namespaces", f"{len(needed)} names are free or ours")
    old = "owner=helm,name in (monitoring,prometheus-operator-crds,keda),status=deployed"
    former = [
        item["metadata"]["labels"]["name"]
        for name in ("monitoring", "keda")
        if present.get(name, {}).get(PART_OF) == "readmission"
        for item in cluster.get("secrets", "-n", name, "-l", old)
    ]
    if former:
        text = f"under the names of an earlier version: {', '.join(former)}. Run scripts/rename-releases"
        yield Finding("FAIL", "releases", text)


def operators(cluster: Cluster, values: dict[str, Any]) -> Iterator[Finding]:
    """Compare the operators that are there with those that would be installed."""
    definitions = {item["metadata"]["name"]: item["metadata"] for item in cluster.get("customresourcedefinitions")}
    for name, part, remedy in (
        ("servicemonitors.monitoring.coreos.com", "monitoring", "monitoring: {install: false, namespace: theirs}"),
        ("scaledobjects.keda.sh", "keda", "keda: {install: false}"),
        ("clusters.postgresql.cnpg.io", "cnpg", "cnpg: {install: false, namespace: theirs}"),
    ):
        metadata = definitions.get(name)
        owner = (metadata or {}).get("annotations", {}).get("meta.helm.sh/release-name", "somebody else")
        install = values[part]["install"]
        if install and metadata and not owner.startswith("readmission-"):
            yield Finding("FAIL", part, f"the cluster has one, of {owner}. Set {remedy}")
        elif (
            not (install or metadata) and part == "monitoring" and values[part]["scrape"] and values[part]["namespace"]
        ):
            text = "there is no Prometheus operator. Set monitoring: {install: true}, or {scrape: false}"
            yield Finding("FAIL", part, text)
        elif not (install or metadata) and part == "cnpg" and values["postgres"]["engine"] == "cloudnative-pg":
            yield Finding("FAIL", part, "there is no operator CloudNativePG. Set cnpg: {install: true}")
        else:
            yield Finding("ok", part, "installed with the system" if install else "not installed by us")


def network(cluster: Cluster, values: dict[str, Any]) -> Iterator[Finding]:
    """Compare the addresses of API server and DNS with what the policies allow."""
    slices = cluster.get("endpointslices", "-n", "default", "-l", "kubernetes.io/service-name=kubernetes")
    ports = sorted({port["port"] for item in slices for port in item.get("ports") or []})
    allowed = values["cluster"]["apiPorts"]
    if unreachable := [port for port in ports if port not in allowed]:
        listed = ", ".join(map(str, sorted({*allowed, *unreachable})))
        yield Finding("FAIL", "API server", f"listens on {unreachable}. Set cluster: {{apiPorts: [{listed}]}}")
    else:
        yield Finding("ok", "API server", f"port {', '.join(map(str, ports)) or 'unknown'}")
    dns = values["cluster"]["dns"]
    labels = dns["pods"] or {"k8s-app": "kube-dns"}
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    if dns["cidr"] or cluster.get("pods", "-n", dns["namespace"], "-l", selector):
        yield Finding("ok", "DNS", dns["cidr"] or f"pods {selector} in {dns['namespace']}")
    else:
        text = f"no pods {selector} in {dns['namespace']}. Set cluster.dns, unless DNS runs on the nodes"
        yield Finding("warn", "DNS", text)


def metrics(cluster: Cluster, values: dict[str, Any]) -> Iterator[Finding]:
    """Look for metrics-server, which the autoscaler asks."""
    scaling = values["overrides"].get("readmission", {}).get("inference", {}).get("autoscaling", {}).get("enabled")
    if cluster.run("get", "--raw", "/apis/metrics.k8s.io/v1beta1/nodes")[0] == 0:
        yield Finding("ok", "metrics-server", "answers")
    elif scaling:
        text = "absent: the API would not scale. Install it, or set autoscaling: {enabled: false}"
        yield Finding("FAIL", "metrics-server", text)
    else:
        yield Finding("warn", "metrics-server", "absent: needed once the API scales by load")


def room(cluster: Cluster, needs: dict[str, Any]) -> Iterator[Finding]:
    """Compare what is free on the nodes with what the environment requests."""
    free = {"cpu": 0.0, "memory": 0.0}
    nodes = [n for n in cluster.get("nodes") if not n["spec"].get("unschedulable")]
    for node in nodes:
        for kind in free:
            free[kind] += quantity(node["status"]["allocatable"][kind])
    for pod in cluster.get("pods", "--all-namespaces", "--field-selector=status.phase!=Succeeded,status.phase!=Failed"):
        if pod["metadata"].get("labels", {}).get(PART_OF) == "readmission":
            continue
        for container in pod["spec"]["containers"]:
            for kind, text in container.get("resources", {}).get("requests", {}).items():
                if kind in free:
                    free[kind] -= quantity(text)
    for kind, unit, size in (("cpu", "CPUs", 1.0), ("memory", "GiB", 2.0**30)):
        need = needs.get(kind)
        if need is None:
            continue
        text = f"{need / size:.1f} {unit} requested, {free[kind] / size:.1f} free on {len(nodes)} nodes"
        if free[kind] < need:
            yield Finding("FAIL", kind, f"{text}. Add nodes, or lower the requests (docs/kubernetes.md, Sizes)")
        else:
            yield Finding("ok", kind, text)


def doors(cluster: Cluster, values: dict[str, Any]) -> Iterator[Finding]:
    """Look for what the ingresses name."""
    ingress = values["ingress"]
    if not ingress["namespace"]:
        return
    classes = [item["metadata"]["name"] for item in cluster.get("ingressclasses")]
    if ingress["className"] and ingress["className"] not in classes:
        text = f"no class {ingress['className']}; there are: {', '.join(classes) or 'none'}. Set ingress.className"
        yield Finding("FAIL", "ingress", text)
    else:
        yield Finding("ok", "ingress", ingress["className"] or "the default class")


def main() -> None:
    """Print what was found; 1 if something stops the installation."""
    quick, source = "--quick" in sys.argv, sys.argv[-1]
    text = source if source.startswith("{") else sys.stdin.read() if source == "-" else Path(source).read_text()
    needs: dict[str, Any] = json.loads(text)
    values, cluster = needs["values"], Cluster(needs.get("context", ""))
    status, text = cluster.run("version", "-o", "json")
    if status:
        sys.exit(f"FAIL  cluster: kubectl does not reach it: {text[:300]}")
    failed = False
    asked = (rights, names, operators, storage, network, metrics, doors)
    checks: list[Iterator[Finding]] = [*(check(cluster, values) for check in asked), room(cluster, needs)]
    checks += [] if quick or not needs.get("images") else [tried(cluster, needs)]
    for finding in (f for check in checks for f in check):
        failed = failed or finding.level == "FAIL"
        if not quick or finding.level != "ok":
            print(f"{finding.level:5} {finding.topic:17} {finding.text}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
