"""What must hold of the installed system: what is forbidden, what is measured, what is left when it goes."""

import json
import os
from typing import Any

import httpx
from cluster import OUR_NAMESPACES, ProofError, forward, helmfile, kubectl, objects, run, until
from install import VALUES, sql


def helm_tests() -> str:
    """Run the tests that the charts bring."""
    output = run("helm", "-n", "readmission", "test", "readmission", "--timeout", "3m")
    return f"{output.count('Succeeded')} tests succeeded"


def targets() -> str:
    """Every monitor of ours has targets, all up, in the Prometheus that the operator runs; no rule is broken."""

    def look() -> str:
        with forward("svc/monitoring-prometheus", "monitoring", 9090) as url:
            active = httpx.get(f"{url}/api/v1/targets?state=active", timeout=30).json()["data"]["activeTargets"]
            groups = httpx.get(f"{url}/api/v1/rules", timeout=30).json()["data"]["groups"]
        pools = {t["scrapePool"] for t in active}
        monitors = [f"serviceMonitor/{m['metadata']['namespace']}/{m['metadata']['name']}" for m in monitored()]
        without = [m for m in monitors if not any(p.startswith(m + "/") for p in pools)]
        down = [f"{t['scrapeUrl']}: {t['lastError']}" for t in active if t["health"] != "up"]
        rules = [r for g in groups for r in g["rules"]]
        broken = [f"{r['name']}: {r.get('lastError')}" for r in rules if r["health"] == "err"]
        if without or down or broken:
            raise ProofError(f"without targets: {without}; down: {down}; broken rules: {broken}")
        ours = [r for g in groups if "readmission" in g["file"] for r in g["rules"]]
        return f"{len(active)} of {len(active)} targets up, {len(rules)} rules healthy, {len(ours)} of them ours"

    return until(150, "all targets up", look, pause=5)


def monitored() -> list[dict[str, Any]]:
    """Return the ServiceMonitors of the system."""
    return [m for m in objects("servicemonitors") if m["metadata"]["namespace"] in OUR_NAMESPACES]


def figures_alone() -> str:
    """The exporter's role may read the views of figures, and no table."""
    tables = ("raw.encounters", "clean.encounters", "serving.predictions", "serving.feedback", "privacy.accesses")
    refused = []
    for table in tables:
        try:
            raise AssertionError(f"the exporter may read {table}: {sql(f'SELECT 1 FROM {table}', *EXPORTER)}")
        except ProofError as error:
            if "permission denied" not in str(error):
                raise
            refused.append(table)
    return f"refused: {', '.join(refused)}; read: {sql('SELECT count(*) FROM metrics.batches', *EXPORTER)} batches"


EXPORTER = ("exporter", "readmission")
CONNECT = (
    "import socket, sys\n"
    "try: socket.create_connection((sys.argv[1], int(sys.argv[2])), 4); print('open')\n"
    "except OSError as e: print('refused', e)"
)


def connects(deployment: str, namespace: str, host: str, port: int) -> str:
    """Try a TCP connection from a pod; return `open` or `refused ...`."""
    command = ["-n", namespace, "exec", deployment, "--", "python", "-c", CONNECT, host, str(port)]
    return kubectl(*command).strip()


def policies() -> str:
    """The demo may talk to the API and to nothing else; the API not to the object store."""
    postgres = kubectl("-n", "pipelines", "get", "configmap", "readmission-settings", "-o", "json")
    host = json.loads(postgres)["data"]["READMISSION_POSTGRES_HOST"]
    demo, api = "deploy/readmission-demo", "deploy/readmission-inference"
    cases = [
        (demo, "readmission-inference", 8080, "open"),
        (demo, host, 5432, "refused"),
        (demo, "readmission-mlflow", 5000, "refused"),
        (api, host, 5432, "open"),
        (api, "minio.readmission-data", 9000, "refused"),
        (api, "kubernetes.default", 443, "refused"),
    ]
    results = [(*case, connects(case[0], "readmission", case[1], case[2])) for case in cases]
    if wrong := [s for s in results if not s[4].startswith(s[3])]:
        raise ProofError(str(wrong))
    return "; ".join(f"{s[0].split('-')[-1]} -> {s[1]}:{s[2]} {s[3]}" for s in results)


def pod_security() -> str:
    """A pod that asks for more than `restricted` gives is not admitted."""
    try:
        kubectl("-n", "pipelines", "run", "privileged", "--image=x", "--privileged")
    except ProofError as error:
        if "violates PodSecurity" in str(error):
            return "a privileged pod is refused in pipelines"
        raise
    raise ProofError("a privileged pod was admitted in pipelines")


def inventory() -> set[str]:
    """Return everything on the cluster that is not of the moment: kind, namespace and name of each object."""
    kinds = run("kubectl", "api-resources", "--verbs=list", "-o", "name").split()
    passing = ("events", "endpoints", "endpointslices", "leases", "metrics.k8s.io", "pods", "replicasets", "jobs")
    lasting = [k for k in kinds if not any(k == p or k.startswith(p + ".") or k.endswith(p) for p in passing)]
    lines = kubectl("get", ",".join(lasting), "-A", "--ignore-not-found", "--no-headers", "-o", COLUMNS).splitlines()
    # What the cluster itself makes in every namespace.
    rows = {" ".join(line.split()) for line in lines}
    return {row for row in rows if "kube-root-ca.crt" not in row and not row.startswith("ServiceAccount default ")}


COLUMNS = "custom-columns=K:.kind,N:.metadata.name,S:.metadata.namespace"


def destroy() -> str:
    """Remove everything; of all kinds and in all namespaces, nothing is left that was not there before."""
    helmfile("destroy", values=(VALUES,))
    script = os.environ.get("E2E_PREPARE")
    if script:
        run(script, "--remove")
    return nothing_left()


def nothing_left() -> str:
    """Wait until the cluster holds nothing that was not there before the system came."""
    before = set(json.loads(BEFORE.read_text()))

    def gone() -> str:
        left = inventory() - before
        if left:
            raise ProofError(f"left behind: {sorted(left)}")
        return f"of {len(before)} objects of all kinds that were there before, and of any other, none is added"

    return until(240, "nothing left", gone, pause=5)


#: What was on the cluster before the system came.
BEFORE = VALUES.with_name("before.json")


def remember() -> str:
    """Write down what the cluster holds before anything is installed."""
    BEFORE.write_text(json.dumps(sorted(inventory())))
    return f"{len(json.loads(BEFORE.read_text()))} objects"
