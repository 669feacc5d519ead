"""Dask as a release: a batch goes through it, step by step, while a worker is killed."""

import json
from ast import literal_eval
from pathlib import Path

from chains import next_batch, tables
from changes import calm
from cluster import ProofError, helmfile, kubectl, objects, run, until
from install import VALUES, sql

_NAMESPACE = "pipelines"
#: ROC-AUC of each family, and how far it may move from a batch to the next.
_QUALITY = "SELECT family, (metrics->>'val_roc_auc_30')::float FROM training.experiments WHERE last_batch = {}"
_MOVE = 0.03


def installed() -> Path:
    """Make the certificate, and install Dask with the steps that use it; return the state values."""
    folder = VALUES.parent
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "7", "-subj", "/CN=dask"]
    run(*request, "-keyout", str(folder / "tls.key"), "-out", str(folder / "tls.crt"))
    certificate = [
        f"--from-file={key}={folder / file}"
        for key, file in (("tls.crt", "tls.crt"), ("tls.key", "tls.key"), ("ca.crt", "tls.crt"))
    ]
    kubectl("-n", _NAMESPACE, "create", "secret", "generic", "dask-tls", *certificate, check=False)
    values = VALUES.with_name("dask.yaml")
    # Two workers beside everything else: a node of two cores has no more than this to give.
    small = {"requests": {"cpu": "50m", "memory": "384Mi"}, "limits": {"memory": "1536Mi"}}
    values.write_text(
        json.dumps({"dask": {"install": True, "workers": 2}, "overrides": {"dask": {"resources": small}}})
    )
    helmfile(
        *(part for name in ("foundation", "dask", "airflow") for part in ("-l", f"name={name}")),
        "sync",
        values=(VALUES, values),
    )
    kubectl("-n", _NAMESPACE, "rollout", "status", "deployment/dask-worker", "--timeout=180s")
    kubectl("-n", "airflow", "rollout", "status", "statefulset/airflow-scheduler", "--timeout=300s")
    return values


def lose_a_worker() -> None:
    """Kill a worker at once as soon as it has work: the scheduler has heard of a client."""
    until(600, "a client of Dask", clients, pause=0.5)
    worker = objects("pods", _NAMESPACE, "app.kubernetes.io/name=dask,app.kubernetes.io/component=worker")[0]
    kubectl("-n", _NAMESPACE, "delete", "pod", worker["metadata"]["name"], "--grace-period=0", "--force")


def clients() -> int:
    """Count the clients that the scheduler has had."""
    return kubectl("-n", _NAMESPACE, "logs", "deployment/dask-scheduler", "--tail=-1").count(
        "Receive client connection"
    )


def quality(batch: int) -> dict[str, float]:
    """Return the ROC-AUC of each family that was trained up to a batch."""
    return dict(literal_eval(sql(_QUALITY.format(batch))))


def batch() -> str:
    """Process and train a batch on Dask while a worker is killed: each row is there once, the models are as good."""
    try:
        installed()
        [[last]] = literal_eval(sql("SELECT max(last_batch) FROM training.experiments"))
        next_batch(meanwhile=lose_a_worker)
        rows, connected = tables(), clients()
    finally:
        run("helm", "-n", _NAMESPACE, "uninstall", "dask", "--wait", check=False)
        calm()
        kubectl("-n", _NAMESPACE, "delete", "secret", "dask-tls", "--ignore-not-found")
    before, after = quality(last), quality(last + 1)
    moved = {family: after[family] - before.get(family, 0) for family in after}
    if not after or max(map(abs, moved.values())) > _MOVE or connected < 2:
        raise ProofError(f"ROC-AUC {before} before, {after} on Dask; {connected} clients of Dask")
    return (
        f"{rows}; {connected} clients, a worker killed; ROC-AUC {min(after.values()):.3f} to {max(after.values()):.3f}"
    )
