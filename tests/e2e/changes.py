"""What the system survives: syncs, updates, load, lost pods, a lost database and the alert that tells of it."""

import re
import time
from ast import literal_eval
from pathlib import Path

from callers import asked_all_the_time, stored, taken_along
from cluster import OUR_NAMESPACES, ProofError, forward, helmfile, kubectl, objects, run, secret, until
from install import VALUES, batches, champion, object_store


def identity() -> dict[str, str]:
    """Return what a sync that changes nothing leaves alone: pods, Secrets' contents, generations."""
    kept = {}
    for namespace in OUR_NAMESPACES:
        for kind in ("pods", "secrets", "deployments", "statefulsets", "persistentvolumeclaims"):
            for item in objects(kind, namespace):
                meta = item["metadata"]
                labels = meta.get("labels", {})
                if labels.get("owner") == "helm" or any(o["kind"] == "Job" for o in meta.get("ownerReferences", [])):
                    continue
                # Steps come and go, and Prometheus' operator writes down the targets of everybody.
                if labels.get("app.kubernetes.io/component") == "step" or "prometheus-operator" in labels.values():
                    continue
                version = meta.get("generation") or (meta["resourceVersion"] if kind == "secrets" else "")
                kept[f"{kind}/{namespace}/{meta['name']}"] = f"{meta['uid']} {version}"
    return kept


def idempotent() -> str:
    """Sync again: no pod, Secret, volume or workload is touched."""
    before = identity()
    started = time.monotonic()
    helmfile("sync", values=(VALUES,))
    after = identity()
    changed = sorted(k for k in before.keys() | after.keys() if before.get(k) != after.get(k))
    if changed:
        raise ProofError(f"changed: {changed}")
    return f"{len(after)} objects untouched by a sync of {time.monotonic() - started:.0f} s"


def rolling_restart() -> str:
    """Replace the API's pods under requests: none may fail, and each answer is stored."""
    with asked_all_the_time() as answers:
        kubectl("-n", "readmission", "rollout", "restart", "deployment/readmission-inference")
        kubectl("-n", "readmission", "rollout", "status", "deployment/readmission-inference", "--timeout=180s")
        time.sleep(15)
    if answers.bad or not answers.ids:
        raise ProofError(str(answers))
    return f"{answers}; {stored(answers.ids)}"


def broken_image() -> str:
    """Upgrade to an image that does not exist: the sync fails and names pod and reason, the API answers throughout."""
    path = VALUES.with_name("broken.yaml")
    path.write_text("overrides: {readmission: {inference: {image: readmission.test/inference:no-such-tag}}}\n")
    sentence = ""
    with asked_all_the_time() as answers:
        try:
            helmfile("-l", "name=readmission", "sync", values=(VALUES, path))
        except ProofError as error:
            sentence = str(error)
    helmfile("-l", "name=readmission", "sync", values=(VALUES,))
    reason = re.search(r"the pod readmission-inference-\S+ waits: (ErrImagePull|ImagePullBackOff)", sentence)
    if not reason or answers.bad or not answers.ids:
        raise ProofError(f"the sync said: {sentence or 'nothing, it succeeded'}; {answers}")
    return f"the sync failed: {reason[0]}; {answers}; {stored(answers.ids)}; and back"


def upgrade() -> str:
    """Upgrade with changed values: the API scales by load then; data, model and credentials stay."""
    before = champion(), batches(), secret("readmission-data", "credentials", "database-serving")
    helmfile("sync", values=(VALUES, scaled()))
    after = champion(), batches(), secret("readmission-data", "credentials", "database-serving")
    # The schedule goes on meanwhile: there may be more of both, but never less.
    counts = [(int(version), *literal_eval(rows)[0]) for version, rows, _ in (before, after)]
    if any(now < then for then, now in zip(*counts, strict=True)) or before[2] != after[2]:
        raise ProofError(f"{before[:2]} became {after[:2]}, credentials as before: {before[2] == after[2]}")
    return f"champion {after[0]}, batches {after[1]}, credentials as before"


def scaled() -> Path:
    """Return state values with autoscaling and a load that needs it."""
    path = VALUES.with_name("scaled.yaml")
    path.write_text(
        "overrides: {readmission: {inference: {autoscaling: {enabled: true, minReplicas: 1, maxReplicas: 3,"
        " targetCpu: 20, scaleDownSeconds: 15}, resources: {requests: {cpu: 100m, memory: 384Mi}}},"
        " loadtest: {enabled: true, autostart: true, workers: 1, profile: soak}}}\n"
    )
    return path


def scaling() -> str:
    """Under the load of the Locust pods, the HPA adds replicas; all answer with the champion."""
    # From its beginning, and of one length on any machine: no limit ends this profile.
    kubectl("-n", "readmission", "rollout", "status", "deployment/readmission-inference", "--timeout=120s")
    load = [f"deployment/readmission-loadtest-{part}" for part in ("master", "worker")]
    kubectl("-n", "readmission", "rollout", "restart", *load)
    started = time.monotonic()

    def more() -> int:
        ready = objects("deployments", "readmission", "app.kubernetes.io/component=inference")[0]["status"]
        count = ready.get("readyReplicas", 0)
        return count if count > 1 else 0

    count = until(240, "a second ready replica", more, pause=2)
    return f"{count} ready replicas after {time.monotonic() - started:.0f} s of load"


def has_keda() -> bool:
    """Tell whether this installation scales by KEDA."""
    return bool(kubectl("get", "deployments", "-n", "keda", "--ignore-not-found"))


def scaling_by_requests() -> str:
    """Under load, KEDA's autoscaler adds replicas, and gives the requests per second as its reason."""
    path = VALUES.with_name("keda.yaml")
    path.write_text(
        # One replica more than an earlier proof may have left.
        "overrides: {readmission: {inference: {autoscaling: {enabled: true, keda: true, minReplicas: 1, maxReplicas: 3,"
        " targetCpu: 10000, targetRequests: 20, scaleDownSeconds: 15}},"
        " loadtest: {enabled: true, autostart: true, workers: 1, profile: soak}}}\n"
    )
    earlier = rescales_by_requests()
    helmfile("-l", "name=readmission", "sync", values=(VALUES, path))
    replicas = scaling()
    [message, *_] = until(120, "a rescale by requests", lambda: rescales_by_requests() - earlier, pause=2)
    return f"{replicas}; {message.split('(')[0]} above 20 requests per second and pod"


def rescales_by_requests() -> set[str]:
    """Return what KEDA's autoscaler has said of each rescale by requests per second, with its time."""
    events = [e for e in objects("events", "readmission") if e["reason"] == "SuccessfulRescale"]
    own = [e for e in events if e["involvedObject"]["name"] == "keda-hpa-readmission-inference"]
    return {f"{e['message']} {e['lastTimestamp']}" for e in own if "external metric s1-prometheus" in e["message"]}


def calm() -> str:
    """Take the load away again: back to the values before."""
    helmfile("sync", values=(VALUES,))
    kubectl("-n", "readmission", "rollout", "status", "deployment/readmission-inference", "--timeout=120s")
    return "as before"


def external_store() -> str:
    """Name another object store, uninstall ours, come back: the volume and what is in it are the same throughout."""

    def claim() -> str:
        [own] = [c for c in objects("persistentvolumeclaims", "readmission-data") if c["metadata"]["name"] == "minio"]
        return str(own["metadata"]["uid"])

    before, values = claim(), VALUES.with_name("external.yaml")
    values.write_text("objectStore: {install: false, endpoint: http://minio.readmission-data:9000}\n")
    helmfile("-l", "name=foundation", "-l", "name=minio", "sync", values=(VALUES, values))
    deployed = run("helm", "-n", "readmission-data", "list", "-q")
    run("helm", "-n", "readmission-data", "uninstall", "minio", "--wait")
    without = claim()
    helmfile("-l", "name=foundation", "-l", "name=minio", "sync", values=(VALUES,))
    if "minio" not in deployed or not before == without == claim():
        raise ProofError(f"claim {before}, {without} without the release, {claim()} after it; releases: {deployed}")
    with forward("svc/minio", "readmission-data", 9000) as url:
        size = object_store(url).head_object(Bucket="readmission", Key="source/dataset_diabetes.zip")["ContentLength"]
    return f"one volume throughout, the data set ({size / 1e6:.1f} MB) in it"


def killed(kind: str, name: str, namespace: str, back: str) -> str:
    """Delete a pod (of a Deployment or StatefulSet) under requests; say when it is back and what is stored."""
    with asked_all_the_time() as answers:
        selector = objects(kind, namespace)
        [labels] = [o["spec"]["selector"]["matchLabels"] for o in selector if o["metadata"]["name"] == name]
        chosen = ",".join(f"{k}={v}" for k, v in labels.items())
        started = time.monotonic()
        kubectl("-n", namespace, "delete", "pod", "-l", chosen, "--grace-period=0", "--force")
        until(
            180,
            f"{name} back",
            lambda: kubectl("-n", namespace, "rollout", "status", f"{kind}/{name}", "--timeout=60s"),
        )
        took = time.monotonic() - started
        if back == "mlflow":
            until(60, "MLflow's answer", champion)
        if back == "postgres":
            until(60, "the database's answer", batches)
        answered = time.monotonic() - started
    lost = taken_along() if back == "api" else 0
    return f"ready after {took:.0f} s, answering after {answered:.0f} s; {answers}; {stored(answers.ids, lost)}"
