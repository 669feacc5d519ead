"""Install the system and bring it to its first prediction."""

import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import boto3
import httpx
import printed
import yaml
from cluster import ROOT, ProofError, forward, helmfile, kubectl, objects, run, secret, until

from readmission import contract

VALUES = Path(tempfile.mkdtemp()) / "prepared.yaml"
#: Seconds from the first namespace to a prediction, images present, on two cores.
FIRST_PREDICTION = 300


def build_images() -> str:
    """Build the images and hand them to the cluster: by the printed line, or by what builds them for this cluster."""
    optional = ("notebook", "pgadmin")
    if "IMAGE_BUILD" in os.environ:
        return " ".join((run("scripts/images") + run("scripts/images", *optional)).split())
    command = shlex.split(printed.line("make images"))
    return " ".join((run(*command) + run(*command, f"NAMES={' '.join(optional)}")).split())


def versions() -> str:
    """Say what cluster this is."""
    nodes = objects("nodes")
    return ", ".join(f"{n['metadata']['name']} {n['status']['nodeInfo']['kubeletVersion']}" for n in nodes)


def foundation() -> str:
    """Namespaces, policies, and credentials where they are absent."""
    helmfile("-l", "name=foundation", "sync")
    made = [s for s in objects("secrets") if s["metadata"]["name"].startswith("readmission-")]
    return f"{len(made)} Secrets of the system"


def prepare() -> str:
    """Run what this cluster's operator does by hand (E2E_PREPARE): an external database, certificates."""
    VALUES.write_text("{}\n")
    if script := os.environ.get("E2E_PREPARE"):
        run(script, str(VALUES))
    values = yaml.safe_load(VALUES.read_text())
    # After the first batch, which comes by itself, one comes when a proof asks for it.
    VALUES.write_text(yaml.safe_dump(values | {"airflow": {"ingestMinutes": 24 * 60}}))
    return script or "nothing to do"


def object_store(url: str, namespace: str = "pipelines", name: str = "readmission-objects") -> Any:
    """Return an S3 client for the store behind a URL, with the keys in a Secret: of the pipelines if not named."""
    keys = [secret(namespace, name, k) for k in ("access-key", "secret-key")]
    return boto3.client(
        "s3", endpoint_url=url, aws_access_key_id=keys[0], aws_secret_access_key=keys[1], region_name="us-east-1"
    )


def upload() -> str:
    """Put the data into the object store, as the pipelines' user: the feed, which waits for it, becomes ready."""
    waiting = objects("pods", "readmission", "app.kubernetes.io/component=feed")[0]
    if any(status["restartCount"] for status in waiting["status"]["containerStatuses"]):
        raise ProofError("the feed has been restarted while it waited for its data")
    data = Path(os.environ.get("E2E_DATA") or ROOT / "../shared/data/dataset_diabetes.zip")
    with forward("svc/minio", "readmission-data", 9000) as url:
        object_store(url).upload_file(str(data), "readmission", "source/dataset_diabetes.zip")
    kubectl("-n", "readmission", "rollout", "status", "deployment/readmission-feed", "--timeout=120s")
    return f"{data.stat().st_size / 1e6:.1f} MB; the feed became ready, without a restart"


def everything() -> str:
    """Install all releases by the printed line."""
    _, _, environment, *action = shlex.split(printed.line("helmfile"))
    if environment != os.environ.get("E2E_ENVIRONMENT", "dev"):
        raise ProofError(f"the page prints {environment}; E2E_ENVIRONMENT names another")
    helmfile(*action, values=(VALUES,))
    return run("helm", "list", "-A", "-q").replace("\n", " ")


def prediction(url: str) -> dict[str, Any]:
    """Ask for one prediction; return the answer."""
    answer = httpx.post(f"{url}/predict", json=dict(contract.EXAMPLE), timeout=30)
    if answer.status_code != 200:
        raise ProofError(f"POST /predict: {answer.status_code} {answer.text[:300]}")
    document: dict[str, Any] = answer.json()
    return document


def first_prediction() -> str:
    """Ask the Service for one prediction."""
    kubectl("-n", "readmission", "rollout", "status", "deployment/readmission-inference", "--timeout=120s")
    with forward("svc/readmission-inference", "readmission", 8080) as url:
        return str(until(60, "a prediction", lambda: prediction(url)))[:160]


def soon(seconds: float) -> str:
    """From the first namespace to a prediction in at most FIRST_PREDICTION seconds."""
    sentence = f"{seconds:.0f} s (at most {FIRST_PREDICTION} s)"
    if seconds > FIRST_PREDICTION:
        raise ProofError(sentence)
    return sentence


def champion() -> str:
    """Return the version behind the alias `champion` in MLflow."""
    with forward("svc/readmission-mlflow", "readmission", 5000) as url:
        query = {"name": "diabetes_readmission", "alias": "champion"}
        answer = httpx.get(f"{url}/api/2.0/mlflow/registered-models/alias", params=query, timeout=30)
        return str(answer.raise_for_status().json()["model_version"]["version"])


def replicas() -> str:
    """Ask every replica of the API for its version: that of the champion in MLflow."""
    version = champion()
    served = {}
    for pod in objects("pods", "readmission", "app.kubernetes.io/component=inference"):
        name = pod["metadata"]["name"]
        with forward(f"pod/{name}", "readmission", 8080) as url:
            served[name] = str(httpx.get(f"{url}/model-info", timeout=30).raise_for_status().json()["model_version"])
    if not served or set(served.values()) != {version}:
        raise ProofError(f"champion is {version}, the replicas serve {served}")
    return f"version {version} by {len(served)} of {len(served)} replicas"


def sql(query: str, role: str = "monitor", namespace: str = "pipelines") -> str:
    """Ask the database by way of the exporter's pod, as a role whose password is in a Secret of that namespace."""
    program = (
        "import os, sys, psycopg2; e = lambda n: os.environ['READMISSION_POSTGRES_' + n];"
        "c = psycopg2.connect(host=e('HOST'), port=e('PORT'), dbname=e('DATABASE'), user='readmission_%s',"
        # Towards a pod that is gone nothing comes back: give up and ask again.
        " connect_timeout=5, password=sys.stdin.read()).cursor(); c.execute(%r); print(c.fetchall())"
    )
    pod = ("-n", "readmission", "exec", "-i", "deploy/readmission-observability", "--", "python", "-c")
    password = secret(namespace, f"readmission-database-{role}", "password")
    done = subprocess.run(
        ["kubectl", *pod, program % (role, query)],
        input=password,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        raise ProofError(done.stderr[-500:])
    return done.stdout.strip()


def batches() -> str:
    """Count what the steps have left in the database."""
    return sql("SELECT count(*), sum(accepted), sum(quarantined) FROM raw.batches WHERE finished IS NOT NULL")
