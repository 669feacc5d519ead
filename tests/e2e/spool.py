"""Predictions on a volume: what is answered while the database is away outlives a pod that is lost."""

import time

from changes import calm
from cluster import ProofError, forward, helmfile, kubectl, until
from install import VALUES, batches, prediction, sql

_NAMESPACE = "readmission"
_PODS = ["-n", _NAMESPACE, "rollout", "status", "statefulset/readmission-inference", "--timeout=300s"]
PREDICTIONS = 200


def kept(namespace: str, database: str) -> str:
    """Answer without the database, lose the pod, start again without MLflow, and find every prediction stored."""
    values = VALUES.with_name("kept.yaml")
    values.write_text("overrides: {readmission: {inference: {persistence: {enabled: true}}}}\n")
    helmfile("-l", "name=readmission", "sync", values=(VALUES, values))
    kubectl(*_PODS)
    with forward("svc/readmission-inference", _NAMESPACE, 8080) as url:
        until(120, "a prediction by the new pod", lambda: prediction(url))
    kubectl("-n", namespace, "scale", f"statefulset/{database}", "--replicas=0")
    kubectl("-n", _NAMESPACE, "scale", "deployment/readmission-mlflow", "--replicas=0")
    try:
        kubectl("-n", namespace, "wait", "--for=delete", f"pod/{database}-0", "--timeout=120s")
        with forward("svc/readmission-inference", _NAMESPACE, 8080) as url:
            ids = [prediction(url)["prediction_id"] for _ in range(PREDICTIONS)]
        kubectl("-n", _NAMESPACE, "delete", "pod", "readmission-inference-0", "--grace-period=0", "--force")
        began = time.monotonic()
        kubectl(*_PODS)
        with forward("svc/readmission-inference", _NAMESPACE, 8080) as url:
            ids.append(until(120, "a prediction without MLflow", lambda: prediction(url))["prediction_id"])
        ready = time.monotonic() - began
    finally:
        kubectl("-n", namespace, "scale", f"statefulset/{database}", "--replicas=1")
        kubectl("-n", _NAMESPACE, "scale", "deployment/readmission-mlflow", "--replicas=1")
    until(120, "the database's answer", batches)
    listed = ", ".join(f"'{i}'" for i in ids)
    query = f"SELECT count(*) FROM serving.predictions WHERE prediction_id IN ({listed})"

    def stored() -> str:
        count = sql(query)
        if count != f"[({len(ids)},)]":
            raise ProofError(f"{count} of {len(ids)} predictions are stored")
        return count

    until(180, "every prediction in the database", stored, pause=3)
    kubectl("-n", _NAMESPACE, "rollout", "status", "deployment/readmission-mlflow", "--timeout=180s")
    calm()
    return f"{len(ids)} of {len(ids)} stored; the next pod answered after {ready:.0f} s without database and MLflow"
