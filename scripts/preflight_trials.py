"""What `preflight` tries on a cluster, in a namespace that lives for a minute: images and network policies."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from preflight_cluster import Cluster, Finding, until

PROBE = "readmission-preflight"
LISTEN = "import http.server as h; h.HTTPServer(('', 8080), h.SimpleHTTPRequestHandler).serve_forever()"
ASK = (
    "import socket, sys, time\n"
    "for _ in range(20):\n"
    "    try: socket.create_connection((sys.argv[1], 8080), 2); print('open'); break\n"
    "    except OSError: time.sleep(1)\n"
    "else: print('closed')"
)


def pod(name: str, image: str, values: dict[str, Any], command: list[str], **labels: str) -> dict[str, Any]:
    """Return a pod as Pod Security `restricted` wants it."""
    user = values["cluster"]["podSecurityContext"] or {"runAsUser": 10001}
    container = {
        "name": "probe",
        "image": image,
        "command": command,
        "imagePullPolicy": "IfNotPresent",
        "resources": {"requests": {"cpu": "5m", "memory": "16Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": PROBE, "labels": labels},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "imagePullSecrets": [{"name": secret} for secret in values["cluster"]["pullSecrets"]],
            "securityContext": user | {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container],
        },
    }


def pulled(cluster: Cluster, name: str) -> str:
    """Return why a pod's image cannot be pulled, "" while nothing is known, or "there"."""
    [state] = cluster.get("pod", "-n", PROBE, name) or [{}]
    for status in state.get("status", {}).get("containerStatuses", []):
        reason = status["state"].get("waiting", {}).get("reason", "")
        if reason in ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"):
            return str(status["state"]["waiting"].get("message", reason))
        if status.get("imageID"):
            return "there"
    return ""


def images(cluster: Cluster, needs: dict[str, Any]) -> Iterator[Finding]:
    """Let a pod of each image begin: what its command then does is of no account."""
    chosen = needs["images"]
    pods = {f"image-{n}": pod(f"image-{n}", image, needs["values"], ["true"]) for n, image in enumerate(chosen)}
    cluster.apply(*pods.values())
    missing = []
    for name, image in zip(pods, chosen, strict=True):
        state = until(180, partial(pulled, cluster, name)) or "not pulled within three minutes"
        if state != "there":
            missing.append(f"{image} ({state[:110]})")
    if missing:
        remedy = "make images LOAD=... or PUSH=..., make mirror for others', cluster.pullSecrets for a log-in"
        yield Finding(
            "FAIL", "images", f"{len(missing)} of {len(chosen)} cannot be pulled: {remedy}. First: {missing[0]}"
        )
    else:
        yield Finding("ok", "images", f"{len(chosen)} images can be pulled")


def address(cluster: Cluster, name: str) -> str:
    """Return a pod's IP address, "" before it has one."""
    return cluster.run("get", "pod", "-n", PROBE, name, "-o", "jsonpath={.status.podIP}")[1]


def answer(cluster: Cluster, name: str) -> str:
    """Return what an asking pod has printed in the end, "" before."""
    text = cluster.run("logs", "-n", PROBE, name)[1]
    return text if text in ("open", "closed") else ""


def policies(cluster: Cluster, needs: dict[str, Any]) -> Iterator[Finding]:
    """Close a pod by a NetworkPolicy and try to reach it; a second, open one shows that the try works."""
    values, image = needs["values"], needs["images"][0]
    closed = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "closed", "namespace": PROBE},
        "spec": {"podSelector": {"matchLabels": {"door": "closed"}}, "policyTypes": ["Ingress"]},
    }
    servers = [pod(f"server-{d}", image, values, ["python", "-c", LISTEN], door=d) for d in ("open", "closed")]
    cluster.apply(closed, *servers)
    answers = []
    for door in ("open", "closed"):
        host = until(60, partial(address, cluster, f"server-{door}")) or ""
        cluster.apply(pod(f"asking-{door}", image, values, ["python", "-c", ASK, host]))
        answers.append(until(90, partial(answer, cluster, f"asking-{door}")))
    if answers == ["open", "closed"]:
        yield Finding("ok", "network policies", "enforced")
    elif answers == ["open", "open"]:
        text = "NOT enforced: every pod reaches every other. Use a network plugin that does (Calico, Cilium, ...)"
        yield Finding("warn", "network policies", text)
    else:
        yield Finding("warn", "network policies", f"could not be tried: {answers}")


def tried(cluster: Cluster, needs: dict[str, Any]) -> Iterator[Finding]:
    """Try images and policies in a namespace of their own, and remove it."""
    cluster.run("delete", "namespace", PROBE, "--ignore-not-found")  # left by one that was interrupted
    status, text = cluster.run("create", "namespace", PROBE)
    if status:
        yield Finding("warn", "images", f"not tried: {text[:150]}")
        return
    try:
        until(20, lambda: cluster.run("get", "serviceaccount", "-n", PROBE, "default")[0] == 0)
        for name in needs["values"]["cluster"]["pullSecrets"]:
            for secret in cluster.get("secret", "-n", "default", name):
                kept = {key: secret[key] for key in ("apiVersion", "kind", "type", "data")}
                cluster.apply(kept | {"metadata": {"name": name, "namespace": PROBE}})
        there = list(images(cluster, needs))
        yield from there
        if there[0].level == "ok":
            yield from policies(cluster, needs)
    finally:
        cluster.run("delete", "namespace", PROBE, "--wait=false")
