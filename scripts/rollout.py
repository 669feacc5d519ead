#!/usr/bin/env python3
"""Wait until the pods of a release are the new ones and work: scripts/rollout.py CONTEXT NAMESPACE RELEASE.

A hook of helmfile.yaml after the release that Helm cannot wait for: its API becomes ready with a model, which only a
release after it can make. It ends with a sentence and exit code 1 if a pod of the new version cannot start, or if
nothing has moved for a while. Standard library and kubectl only.

A Deployment or StatefulSet may have an annotation. With `readmission/ready-with: TEXT`, its pods need only to have
started while none of it answers yet; with `readmission/rollout: unwatched`, it is not waited for.
"""

import argparse
import json
import sys
import time
from typing import Any

from preflight_cluster import Cluster

READY_WITH, ROLLOUT = "readmission/ready-with", "readmission/rollout"
#: Why a container waits that does not get better by waiting.
BROKEN = {
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ErrImagePull",
    "ImageInspectError",
    "ImagePullBackOff",
    "InvalidImageName",
    "RunContainerError",
}
Item = dict[str, Any]


class RolloutError(Exception):
    """A rollout that does not succeed; says which pod is the reason, and why."""


def name(item: Item) -> str:
    """Return the name of an object."""
    return str(item["metadata"]["name"])


def annotation(item: Item, key: str) -> str:
    """Return an annotation; empty if it is absent."""
    return str(item["metadata"].get("annotations", {}).get(key, ""))


def statuses(pod: Item) -> list[Item]:
    """Return the statuses of a pod's containers, those that prepare it first."""
    status = pod.get("status", {})
    return [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]


def new_pods(workload: Item, items: list[Item]) -> list[Item]:
    """Return the pods of the newest version of a workload."""
    if workload["kind"] == "StatefulSet":
        label, value = "controller-revision-hash", workload.get("status", {}).get("updateRevision")
    else:
        label, key = "pod-template-hash", "deployment.kubernetes.io/revision"
        sets = [i for i in items if i["kind"] == "ReplicaSet" and annotation(i, key) == annotation(workload, key)]
        own = [
            i for i in sets if any(o["uid"] == workload["metadata"]["uid"] for o in i["metadata"]["ownerReferences"])
        ]
        value = own[0]["metadata"]["labels"][label] if own else None
    selector = {**workload["spec"]["selector"]["matchLabels"], label: value}
    pods = [i for i in items if i["kind"] == "Pod" and "deletionTimestamp" not in i["metadata"]]
    return [pod for pod in pods if selector.items() <= pod["metadata"]["labels"].items()]


def answering(workload: Item) -> int:
    """Return how many pods of a workload are ready, of whatever version."""
    status = workload.get("status", {})
    return int(status.get("readyReplicas" if workload["kind"] == "StatefulSet" else "availableReplicas", 0))


def needed(workload: Item, items: list[Item]) -> int:
    """Return how many pods must be ready: what an autoscaler adds to its minimum is not of the rollout."""
    replicas = int(workload["spec"].get("replicas", 1))
    scalers = [i["spec"] for i in items if i["kind"] == "HorizontalPodAutoscaler"]
    minimums = [int(s.get("minReplicas", 1)) for s in scalers if s["scaleTargetRef"]["name"] == name(workload)]
    return min([replicas, *minimums])


def finished(workload: Item, pods: list[Item], replicas: int) -> str:
    """Say how the rollout ended, of which that many pods must be ready; empty while it goes on."""
    status = workload.get("status", {})
    if status.get("observedGeneration", 0) < workload["metadata"]["generation"]:
        return ""
    updated, ready = status.get("updatedReplicas", 0), answering(workload)
    if updated == status.get("replicas", 0) >= replicas and ready >= replicas:
        return f"{ready} of {updated} ready"
    started = [all(s.get("started") for s in pod.get("status", {}).get("containerStatuses", [{}])) for pod in pods]
    if (reason := annotation(workload, READY_WITH)) and not ready and started and all(started):
        return f"started; ready with {reason}"
    return ""


def broken(pod: Item) -> str:
    """Say why a pod cannot start; empty if nothing is known to be wrong."""
    for status in statuses(pod):
        waiting = status.get("state", {}).get("waiting", {})
        if waiting.get("reason") in BROKEN:
            ended = status.get("lastState", {}).get("terminated")
            detail = f"{ended['reason']}, exit code {ended['exitCode']}" if ended else waiting.get("message")
            return f"{waiting['reason']}{f' ({detail})' if detail else ''}"
    return ""


def pending(workload: Item, pods: list[Item]) -> str:
    """Say what a rollout that does not move waits for."""
    for pod in pods:
        conditions = {c["type"]: c for c in pod.get("status", {}).get("conditions", [])}
        if conditions.get("PodScheduled", {}).get("status") == "False":
            return f"the pod {name(pod)} has no node: {conditions['PodScheduled'].get('message', 'Unschedulable')}"
        if reason := broken(pod):
            return f"the pod {name(pod)} waits: {reason}"
        if conditions.get("Ready", {}).get("status") != "True":
            reasons = [s["state"]["waiting"]["reason"] for s in statuses(pod) if "waiting" in s.get("state", {})]
            return f"the pod {name(pod)} is not ready{f': {reasons[0]}' if reasons else ''}"
    failures = [c for c in workload.get("status", {}).get("conditions", []) if c["type"] == "ReplicaFailure"]
    return str(failures[0]["message"]) if failures else f"{len(pods)} of {workload['spec'].get('replicas', 1)} new pods"


def failure(workload: Item, reason: str) -> RolloutError:
    """Return the sentence for whoever has started the sync."""
    left = answering(workload)
    meanwhile = (
        f" {left} earlier pod{'s' if left > 1 else ''} of it still answer{'s' if left == 1 else ''}." if left else ""
    )
    return RolloutError(f"{name(workload)} was not replaced: {reason}.{meanwhile}")


def look(cluster: Cluster, namespace: str, release: str) -> list[Item]:
    """Return the release's workloads, their ReplicaSets, pods and autoscalers."""
    kinds = "deployments,statefulsets,replicasets,pods,horizontalpodautoscalers"
    selector = f"app.kubernetes.io/instance={release}"
    status, text = cluster.run("get", kinds, "--namespace", namespace, "--selector", selector, "-o", "json")
    if status:
        raise RolloutError(f"kubectl cannot look at the namespace {namespace}: {text}")
    items: list[Item] = json.loads(text)["items"]
    return items


class Watch:
    """Rollouts of a release: since when which pod is broken, and when something moved last."""

    def __init__(self, patience: float, limit: float) -> None:
        self.patience, self.limit = patience, limit
        self.moved_at = time.monotonic()
        self.seen: object = None
        self.broken_since: dict[str, float] = {}

    def judge(self, items: list[Item]) -> dict[str, str] | None:
        """Return how each rollout ended; None while one goes on.

        Raises:
            RolloutError: A pod has been broken for longer than the patience, or nothing has moved within the limit.
        """
        now = time.monotonic()
        kinds = ("Deployment", "StatefulSet")
        workloads = [i for i in items if i["kind"] in kinds and annotation(i, ROLLOUT) != "unwatched"]
        pods = {name(workload): new_pods(workload, items) for workload in workloads}
        ended = {
            name(workload): finished(workload, pods[name(workload)], needed(workload, items)) for workload in workloads
        }
        if all(ended.values()):
            return ended
        waiting = [workload for workload in workloads if not ended[name(workload)]]
        for workload in waiting:
            for pod in pods[name(workload)]:
                if (reason := broken(pod)) and now - self.broken_since.setdefault(name(pod), now) >= self.patience:
                    raise failure(workload, f"the pod {name(pod)} waits: {reason}")
        moved = [(name(w), w.get("status", {}).get("updatedReplicas"), answering(w)) for w in workloads]
        if moved != self.seen:
            self.seen, self.moved_at = moved, now
        if now - self.moved_at >= self.limit:
            reason = pending(waiting[0], pods[name(waiting[0])])
            raise failure(waiting[0], f"{reason}, and nothing has changed for {self.limit:.0f} s")
        return None


def main() -> int:
    """Wait; print how each rollout ended, or why one did not."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("context", help="of kubectl; if empty, the current one")
    parser.add_argument("namespace")
    parser.add_argument("release")
    parser.add_argument("--patience", type=float, default=60, help="seconds that a pod may be broken")
    parser.add_argument("--limit", type=float, default=600, help="seconds in which something must move")
    options = parser.parse_args()
    cluster, watch = Cluster(options.context), Watch(options.patience, options.limit)
    try:
        while (ended := watch.judge(look(cluster, options.namespace, options.release))) is None:
            time.sleep(1)
    except RolloutError as error:
        print(error, file=sys.stderr)
        return 1
    for workload, sentence in ended.items():
        print(f"{workload}: {sentence}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
