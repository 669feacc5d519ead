"""What is installed beside the system: a second one from manifests, each chart alone, a load test as a release."""

import json
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx
import yaml
from changes import identity
from cluster import ROOT, ProofError, forward, helmfile, kubectl, objects, run, until
from install import VALUES, champion, object_store
from proofs import connects

PREFIX = "second-"
#: Namespace of the second system's own database: two systems do not share a server.
DATABASE = "second-postgres"
MANIFESTS = Path(tempfile.mkdtemp()) / "manifests"
#: Folders that are applied: what shows that two systems do not touch, without the pods of a second Airflow.
APPLIED = ("01-foundation", "08-minio", "09-readmission")


def second_values() -> Path:
    """Return state values of a second system, on the monitoring of the first."""
    path = VALUES.with_name("second.yaml")
    path.write_text(
        f"cluster: {{namePrefix: {PREFIX}}}\nmonitoring: {{install: false, namespace: monitoring}}\n"
        f"keda: {{install: false}}\npostgres: {{install: false, host: postgres.{DATABASE}, namespace: {DATABASE}}}\n"
    )
    return path


def files(folder: str) -> list[str]:
    """Return the manifests of a folder, in their order."""
    return [str(path) for path in sorted((MANIFESTS / folder).glob("*.yaml"))]


def apply(folder: str) -> None:
    """Apply a folder as docs/gitops.md says: its files in order, the Jobs of one before the next file."""
    for file in files(folder):
        kubectl("apply", "--server-side", "--force-conflicts", "-f", file)
        for item in yaml.safe_load_all(Path(file).read_text()):
            if item["kind"] == "Job":
                job = f"job/{item['metadata']['name']}"
                namespace = item["metadata"]["namespace"]
                kubectl("-n", namespace, "wait", "--for=condition=complete", job, "--timeout=600s")


def database() -> None:
    """Start the second system's Postgres from the manifest of the first one's, and hand over its password."""
    manifest = (ROOT / "tests/e2e/no-registry/postgres.yaml").read_text().replace("external-postgres", DATABASE)
    path = VALUES.with_name("second-postgres.yaml")
    path.write_text(manifest)
    run("sh", "-c", f"kubectl create namespace {DATABASE} --dry-run=client -o yaml | kubectl apply -f -")
    for namespace, name in ((DATABASE, "postgres-admin"), (f"{PREFIX}readmission", "readmission-postgres-admin")):
        value = "--from-literal=password=of-the-second"
        kubectl("-n", namespace, "create", "secret", "generic", name, value, check=False)
    kubectl("apply", "-f", str(path))
    kubectl("-n", DATABASE, "rollout", "status", "statefulset/postgres", "--timeout=180s")


def second() -> str:
    """Install a second system from its manifests; it answers, and neither touches nor reaches the first."""
    before, version = identity(), champion()
    own = [value for value in os.environ.get("E2E_VALUES", "").split() if value]
    environment = os.environ.get("E2E_ENVIRONMENT", "dev")
    run(sys.executable, "scripts/manifests.py", environment, str(MANIFESTS), *own, str(VALUES), str(second_values()))
    apply(APPLIED[0])
    database()
    for folder in APPLIED[1:]:
        apply(folder)
    parts = ("mlflow", "demo", "observability")
    for part in parts:
        kubectl("-n", f"{PREFIX}readmission", "rollout", "status", f"deployment/readmission-{part}", "--timeout=300s")
    reached = connects("deploy/readmission-demo", f"{PREFIX}readmission", "readmission-inference.readmission", 8080)
    with forward("svc/readmission-mlflow", f"{PREFIX}readmission", 5000) as url:
        models = httpx.get(f"{url}/api/2.0/mlflow/registered-models/search", timeout=30).raise_for_status().json()
    after = identity()
    changed = sorted(k for k in before.keys() | after.keys() if before.get(k) != after.get(k))
    if changed or champion() != version or models.get("registered_models") or not reached.startswith("refused"):
        raise ProofError(f"changed: {changed}; models of the second: {models}; second to first: {reached}")
    return f"{', '.join(parts)} of the second run; {len(after)} objects of the first as they were; no way between them"


def applied_again() -> str:
    """Compare every manifest with the cluster: a second apply would change nothing."""
    different = []
    for folder in APPLIED:
        for file in files(folder):
            output = run("kubectl", "diff", "--server-side", "--force-conflicts", "-f", file, check=False)
            different += [line for line in output.splitlines() if line.startswith("diff ")]
    if different:
        raise ProofError(f"differences: {different}")
    return f"{sum(len(files(folder)) for folder in APPLIED)} files: no difference"


def second_gone() -> str:
    """Delete the second system by its manifests; the first stays as it is."""
    before = identity()
    for folder in reversed(APPLIED):
        for file in reversed(files(folder)):
            kubectl("delete", "--ignore-not-found", "--wait=false", "-f", file)
    claims = objects("persistentvolumeclaims")
    kubectl("delete", "namespace", DATABASE, "--ignore-not-found")

    def gone() -> bool:
        names = {o["metadata"]["name"] for o in objects("namespaces")}
        return not {name for name in names if name.startswith(PREFIX)}

    until(300, "namespaces of the second gone", gone, pause=3)
    after = identity()
    changed = sorted(k for k in before.keys() | after.keys() if before.get(k) != after.get(k))
    if changed:
        raise ProofError(f"changed: {changed}")
    return f"{len(claims)} volumes before, {len(objects('persistentvolumeclaims'))} now; the first as it was"


def alone() -> str:
    """Ask the API server for each chart alone, by the very line of its README."""
    namespace, lines = "alone", []
    kubectl("create", "namespace", namespace, check=False)
    try:
        for page in sorted((ROOT / "charts").glob("*/README.md")):
            for line in re.findall(r"^    (helm install .+)$", page.read_text(), re.M):
                run(*line.split(), "--namespace", namespace, "--dry-run=server")
                lines.append(page.parent.name)
    finally:
        kubectl("delete", "namespace", namespace)
    return f"{len(lines)} charts: {', '.join(lines)}"


#: Client in a pod like a step's: 60 tasks of a second each, which are all done although a worker is killed meanwhile.
TASKS = """
import time
from distributed import Client
from readmission.settings import load_settings

def work(number):
    time.sleep(1)
    return number

with Client(load_settings().dask.scheduler, timeout=60) as client:
    print(sorted(client.gather(client.map(work, range(60), pure=False))) == list(range(60)), flush=True)
"""


def client_pod() -> dict[str, Any]:
    """Return a pod that is to the policies a step, and runs TASKS on Dask."""
    image = objects("deployments", "pipelines", "app.kubernetes.io/name=dask")[0]["spec"]["template"]["spec"]
    user = {"runAsUser": 10001, "runAsGroup": 10001, "runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    container = {
        "name": "base",
        "image": image["containers"][0]["image"],
        "command": ["python", "-c", TASKS],
        "env": [{"name": "HOME", "value": "/tmp"}, {"name": "READMISSION_HOME", "value": "/tmp/state"}],
        "envFrom": [{"configMapRef": {"name": "readmission-settings"}}],
        "volumeMounts": [{"name": "dask", "mountPath": "/etc/readmission/dask"}, {"name": "tmp", "mountPath": "/tmp"}],
        "resources": {"requests": {"cpu": "50m", "memory": "192Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    volumes = [{"name": "dask", "secret": {"secretName": "dask-tls"}}, {"name": "tmp", "emptyDir": {}}]
    spec = {"restartPolicy": "Never", "containers": [container], "volumes": volumes, "securityContext": user}
    labels = {"app.kubernetes.io/component": "step", "app.kubernetes.io/part-of": "readmission"}
    metadata = {"name": "dask-client", "namespace": "pipelines", "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def dask() -> str:
    """Install Dask with a certificate, give it work from a step's pod, kill a worker in the middle."""
    folder = VALUES.parent
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "7", "-subj", "/CN=dask"]
    run(*request, "-keyout", str(folder / "tls.key"), "-out", str(folder / "tls.crt"))
    certificate = [
        f"--from-file={key}={folder / file}"
        for key, file in (("tls.crt", "tls.crt"), ("tls.key", "tls.key"), ("ca.crt", "tls.crt"))
    ]
    kubectl("-n", "pipelines", "create", "secret", "generic", "dask-tls", *certificate, check=False)
    values = VALUES.with_name("dask.yaml")
    # Two workers beside everything else: a node of two cores has no more than this to give.
    small = {"requests": {"cpu": "50m", "memory": "384Mi"}, "limits": {"memory": "1Gi"}}
    values.write_text(
        json.dumps({"dask": {"install": True, "workers": 2}, "overrides": {"dask": {"resources": small}}})
    )
    pod = VALUES.with_name("client.json")
    try:
        helmfile("-l", "name=foundation", "-l", "name=dask", "sync", values=(VALUES, values))
        kubectl("-n", "pipelines", "rollout", "status", "deployment/dask-worker", "--timeout=180s")
        pod.write_text(json.dumps(client_pod()))
        kubectl("apply", "-f", str(pod))
        kubectl("-n", "pipelines", "wait", "--for=condition=Ready", "pod/dask-client", "--timeout=120s")
        worker = objects("pods", "pipelines", "app.kubernetes.io/name=dask,app.kubernetes.io/component=worker")[0]
        kubectl("-n", "pipelines", "delete", "pod", worker["metadata"]["name"], "--grace-period=0", "--force")
        kubectl(
            "-n", "pipelines", "wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/dask-client", "--timeout=300s"
        )
        answer = kubectl("-n", "pipelines", "logs", "dask-client")
    finally:
        kubectl("delete", "--ignore-not-found", "-f", str(pod), check=False)
        run("helm", "-n", "pipelines", "uninstall", "dask", "--wait", check=False)
        helmfile("-l", "name=foundation", "sync", values=(VALUES,))
        kubectl("-n", "pipelines", "delete", "secret", "dask-tls", "--ignore-not-found")
    if not answer.strip().endswith("True"):
        raise ProofError(answer[-500:])
    return "60 tasks over TLS, a worker killed in the middle, every result there once"


def load() -> str:
    """Run a profile as a release: its report is in the object store, and a limit that is breached fails the sync."""
    values = VALUES.with_name("load.yaml")
    values.write_text("loadtest: {install: true, profile: smoke}\n")
    selected = [part for name in ("foundation", "minio", "loadtest") for part in ("-l", f"name={name}")]
    helmfile(*selected, "sync", values=(VALUES, values))
    with forward("svc/minio", "readmission-data", 9000) as url:
        entries = object_store(url).list_objects_v2(Bucket="readmission", Prefix="loadtest/").get("Contents", [])
    reports = [entry["Key"] for entry in entries if entry["Key"].endswith("summary.json")]
    # Nothing there knows /predict.
    values.write_text(values.read_text() + "overrides: {loadtest: {apiUrl: 'http://readmission-demo:8081'}}\n")
    try:
        helmfile("-l", "name=loadtest", "sync", values=(VALUES, values))
    except ProofError as error:
        message = str(error)
    else:
        raise ProofError("a breached limit did not fail the sync")
    finally:
        run("helm", "-n", "readmission", "uninstall", "loadtest", "--wait", check=False)
    if not reports or "loadtest" not in message:
        raise ProofError(f"reports: {reports}; {message[-300:]}")
    return f"{reports[-1]}; a profile that fails ends the sync with an error"
