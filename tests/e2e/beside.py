"""What is installed beside the system: a second one from manifests, each chart alone, a load test as a release."""

import os
import re
import sys
import tempfile
from pathlib import Path

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
