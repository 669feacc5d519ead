"""Predictions while the database is away: counted by rows, whatever happens to the pods that hold them."""

import time
from functools import partial

import httpx
from callers import stored
from changes import calm
from cluster import ProofError, forward, helmfile, kubectl, objects, until
from install import VALUES, prediction, sql

from readmission import contract

_NAMESPACE = "readmission"
_SET = "statefulset/readmission-inference"
_PODS = ("readmission-inference-0", "readmission-inference-1")
_SELECTOR = "app.kubernetes.io/component=inference"
#: Predictions of each pod after each change.
PREDICTIONS = 50
#: Volume of the pod whose spool is filled. Half of it is the spool, a quarter of it more than models and metrics take.
SMALL = "96Mi"
#: Records of one request, and requests until the spool must be full.
_BATCH, _REQUESTS = 5_000, 100


def ready(replicas: int = len(_PODS)) -> None:
    """Wait until that many pods of the API are ready."""
    kubectl("-n", _NAMESPACE, "rollout", "status", _SET, "--timeout=300s")

    def counted() -> bool:
        [own] = [o for o in objects("statefulsets", _NAMESPACE) if o["metadata"]["name"] == "readmission-inference"]
        return bool(own["status"].get("readyReplicas", 0) == replicas == own["status"]["replicas"])

    until(300, f"{replicas} ready pods", counted)


def ask(*pods: str) -> list[str]:
    """Ask each pod; return the ids of the answers."""
    ids = []
    for pod in pods or _PODS:
        with forward(f"pod/{pod}", _NAMESPACE, 8080) as url:
            first = until(120, f"a prediction of {pod}", partial(prediction, url))
            ids += [first["prediction_id"], *(prediction(url)["prediction_id"] for _ in range(PREDICTIONS - 1))]
    return ids


def drain() -> None:
    """Drain the node of each pod of the API, and let pods come back to it."""
    nodes = {pod["spec"]["nodeName"] for pod in objects("pods", _NAMESPACE, _SELECTOR)}
    options = ("--delete-emptydir-data", "--ignore-daemonsets", "--timeout=180s", f"--pod-selector={_SELECTOR}")
    for node in sorted(nodes):
        try:
            kubectl("drain", node, *options)
        finally:
            kubectl("uncordon", node)


def without_stores() -> list[str]:
    """Answer after each change of the pods, with neither database nor MLflow; return the ids of all answers."""
    ids = ask()
    kubectl("-n", _NAMESPACE, "rollout", "restart", _SET)
    ready()
    ids += ask()
    drain()
    ready()
    ids += ask()
    kubectl("-n", _NAMESPACE, "delete", "pod", _PODS[0], "--grace-period=0", "--force")
    ready()
    ids += ask()
    kubectl("-n", _NAMESPACE, "scale", _SET, "--replicas=1")
    ready(1)
    return ids + ask(_PODS[0])


def kept(namespace: str, database: str) -> str:
    """Roll out, drain, kill and scale down while database and MLflow are away; find every prediction stored."""
    values = VALUES.with_name("kept.yaml")
    values.write_text("overrides: {readmission: {inference: {replicas: 2, persistence: {enabled: true}}}}\n")
    helmfile("-l", "name=readmission", "sync", values=(VALUES, values))
    ready()
    ids = ask()
    kubectl("-n", namespace, "scale", f"statefulset/{database}", "--replicas=0")
    kubectl("-n", _NAMESPACE, "scale", "deployment/readmission-mlflow", "--replicas=0")
    began = time.monotonic()
    try:
        kubectl("-n", namespace, "wait", "--for=delete", f"pod/{database}-0", "--timeout=120s")
        ids += without_stores()
        took = time.monotonic() - began
    finally:
        kubectl("-n", namespace, "scale", f"statefulset/{database}", "--replicas=1")
        kubectl("-n", _NAMESPACE, "scale", "deployment/readmission-mlflow", "--replicas=1")
    # What the second pod left is on its volume, and stored by the next pod of that number.
    kubectl("-n", _NAMESPACE, "scale", _SET, "--replicas=2")
    ready()
    counted = stored(ids)
    kubectl("-n", _NAMESPACE, "rollout", "status", "deployment/readmission-mlflow", "--timeout=180s")
    calm()
    return f"{counted}; {took:.0f} s without database and MLflow: rollout, drain, a killed pod, scale-down"


def pod() -> dict[str, str]:
    """Return what tells one pod of the API from another, and whether it was started again."""
    [own] = [p for p in objects("pods", _NAMESPACE, _SELECTOR) if "deletionTimestamp" not in p["metadata"]]
    restarts = sum(status["restartCount"] for status in own["status"].get("containerStatuses", ()))
    return {"uid": own["metadata"]["uid"], "phase": own["status"]["phase"], "restarts": str(restarts)}


def dropped(url: str) -> int:
    """Return how many predictions the pod has counted as answered and not logged."""
    lines = httpx.get(f"{url}/metrics", timeout=30).text.splitlines()
    return sum(round(float(line.split()[-1])) for line in lines if line.startswith("readmission_log_dropped_total{"))


def fill(url: str) -> tuple[int, int]:
    """Send batches until the spool is full; return how many predictions were answered, and how many not logged."""
    body = {"records": [dict(contract.EXAMPLE)] * _BATCH}
    answered = 0
    for _ in range(_REQUESTS):
        answer = httpx.post(f"{url}/predict_batch", json=body, timeout=120).raise_for_status()
        answered += len(answer.json()["predictions"])
        if dropped(url):
            break
    else:
        raise ProofError(f"{answered} predictions did not fill the spool")
    return answered, dropped(url)


def filled(namespace: str, database: str) -> str:
    """Fill the spool of a pod on a small volume: no eviction, answers go on, and each prediction is accounted for."""
    values = VALUES.with_name("filled.yaml")
    values.write_text(f"overrides: {{readmission: {{inference: {{tmpSize: {SMALL}}}}}}}\n")
    helmfile("-l", "name=readmission", "sync", values=(VALUES, values))
    kubectl("-n", _NAMESPACE, "rollout", "status", "deployment/readmission-inference", "--timeout=300s")
    until(120, "one pod of the API", lambda: len(objects("pods", _NAMESPACE, _SELECTOR)) == 1)
    before, rows = pod(), number_of_predictions()
    kubectl("-n", namespace, "scale", f"statefulset/{database}", "--replicas=0")
    try:
        kubectl("-n", namespace, "wait", "--for=delete", f"pod/{database}-0", "--timeout=120s")
        with forward("svc/readmission-inference", _NAMESPACE, 8080) as url:
            answered, lost = fill(url)
            time.sleep(60)  # the kubelet measures volumes once in a while
            prediction(url)
            answered, lost = answered + 1, dropped(url)
    finally:
        kubectl("-n", namespace, "scale", f"statefulset/{database}", "--replicas=1")
    if pod() != before:
        raise ProofError(f"{before} became {pod()}")

    def accounted() -> bool:
        return number_of_predictions() - rows >= answered - lost

    until(600, f"{answered - lost} further rows", accounted, pause=5)
    calm()
    return f"{answered} answered, {lost} of them counted as not logged, the other {answered - lost} stored; no eviction"


def number_of_predictions() -> int:
    """Count the rows of the prediction log."""
    return int(sql("SELECT count(*) FROM serving.predictions").strip("[](),"))
