#!/usr/bin/env python3
"""Run a command of docs/privacy.md in a pod of a cluster: scripts/privacy_pod.py erase --patient - --reason "...".

Airflow would keep what it is given, and a pod's specification shows its arguments: so the patient comes by standard
input, which neither has. The pod is one of the exporter's kind, in the namespace of the steps, with the Secrets of
these commands, and is deleted afterwards. `erase` names the user of the cluster as who decides. Standard library and
kubectl only.
"""

import argparse
import copy
import json
import subprocess
import sys
import time
from typing import Any

VERBS = ("erase", "privacy", "rekey")
#: Environment variable -> Secret and key, in the namespace of the steps. Without S3's, pods have a cloud's identity.
SECRETS = {
    "READMISSION_POSTGRES_PASSWORD_PRIVACY": ("readmission-database-privacy", "password"),
    "READMISSION_PATIENT_KEY": ("readmission-patients", "key"),
    "READMISSION_SIGNING_KEY": ("readmission-signing", "key"),
    "READMISSION_TRUSTED_SIGNERS": ("readmission-signers", "signers"),
    "AWS_ACCESS_KEY_ID": ("readmission-objects", "access-key"),
    "AWS_SECRET_ACCESS_KEY": ("readmission-objects", "secret-key"),
}
#: Seconds until the pod must have started, and until it must have ended.
START, END = 300, 3600
ENDED = {"Succeeded": 0, "Failed": 1}


class Cluster:
    """kubectl on one context."""

    def __init__(self, context: str, namespace: str) -> None:
        self.command = ["kubectl", *([f"--context={context}"] if context else []), f"--namespace={namespace}"]

    def run(self, *arguments: str, stdin: str = "") -> str:
        """Run kubectl; return what it printed, or end this program with what it said."""
        command = [*self.command, *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"kubectl {arguments[0]}: {done.stderr.strip()}")
        return done.stdout

    def get(self, *arguments: str) -> dict[str, Any]:
        """Return an object."""
        document: dict[str, Any] = json.loads(self.run("get", *arguments, "-o", "json"))
        return document


def pod(exporter: dict[str, Any], arguments: list[str], attached: bool) -> dict[str, Any]:
    """Return the pod of a command, after the template of the exporter, which has the same image.

    Args:
        exporter: Deployment of the exporter.
        arguments: Verb and its arguments.
        attached: Whether it waits for its standard input until somebody has attached and gone.
    """
    spec = copy.deepcopy(exporter["spec"]["template"]["spec"])
    [container] = spec["containers"]
    for name in ("startupProbe", "readinessProbe", "livenessProbe", "ports"):
        container.pop(name, None)
    own = {"HOME": "/tmp", "READMISSION_HOME": "/tmp/state"}  # noqa: S108 (an emptyDir)
    references = {
        variable: {"secretKeyRef": {"name": secret, "key": key, "optional": variable.startswith("AWS_")}}
        for variable, (secret, key) in SECRETS.items()
    }
    container |= {
        "name": "command",
        "args": arguments,
        "stdin": attached,
        "stdinOnce": attached,
        "env": [
            *({"name": name, "value": value} for name, value in own.items()),
            *({"name": name, "valueFrom": reference} for name, reference in references.items()),
        ],
        "envFrom": [{"configMapRef": {"name": "readmission-settings"}}],
        "resources": {"requests": {"cpu": "100m", "memory": "512Mi"}, "limits": {"memory": "1Gi"}},
    }
    for volume in spec["volumes"]:
        if "emptyDir" in volume:
            volume["emptyDir"] = {"sizeLimit": "4Gi"}
    spec |= {"serviceAccountName": "step", "restartPolicy": "Never", "activeDeadlineSeconds": END}
    labels = {"app.kubernetes.io/name": "step", "app.kubernetes.io/component": "step"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": f"readmission-{arguments[0]}-", "labels": labels},
        "spec": spec,
    }


def wait(cluster: Cluster, name: str, phases: set[str], seconds: float) -> str:
    """Return the pod's phase once it is one of these."""
    deadline = time.monotonic() + seconds
    while (phase := str(cluster.get("pod", name)["status"].get("phase"))) not in phases:
        if time.monotonic() > deadline:
            raise SystemExit(f"The pod {name} is {phase} after {seconds:.0f} s: kubectl describe pod {name} says why.")
        time.sleep(1)
    return phase


def run(steps: Cluster, system: Cluster, arguments: list[str], patient: str) -> int:
    """Run a command with a patient on its standard input; print what it says and return its exit code."""
    if arguments[0] == "erase" and not any(argument.startswith("--by") for argument in arguments):
        user = json.loads(system.run("auth", "whoami", "-o", "json"))["status"]["userInfo"]["username"]
        arguments = [*arguments, f"--by={user}"]
    exporter = system.get("deployment", "readmission-observability")
    created = steps.run("create", "-f", "-", "-o", "name", stdin=json.dumps(pod(exporter, arguments, patient != "")))
    name = created.strip().removeprefix("pod/")
    try:
        if patient and wait(steps, name, {"Running", *ENDED}, START) == "Running":
            steps.run("attach", name, "--stdin", "--quiet", stdin=patient)
        phase = wait(steps, name, set(ENDED), END)
        print(steps.run("logs", name), end="")
        return ENDED[phase]
    finally:
        steps.run("delete", "pod", name, "--wait=false")


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--context", default="", help="of kubectl [the current one]")
    parser.add_argument("--prefix", default="", help="cluster.namePrefix of the installation")
    parser.add_argument("verb", choices=VERBS)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="of the verb; the patient as `--patient -`")
    options = parser.parse_args()
    values = [
        value or following
        for (name, _, value), following in zip(
            (argument.partition("=") for argument in options.arguments), [*options.arguments[1:], ""], strict=True
        )
        if name == "--patient"
    ]
    if any(value != "-" for value in values):
        parser.error("--patient must be -: the patient comes by standard input, where no specification shows it.")
    if values and sys.stdin.isatty():
        print("Number or reference of the patient: ", end="", file=sys.stderr, flush=True)
    patient = sys.stdin.readline() if values else ""
    steps = Cluster(options.context, f"{options.prefix}pipelines")
    system = Cluster(options.context, f"{options.prefix}readmission")
    return run(steps, system, [options.verb, *options.arguments], patient)


if __name__ == "__main__":
    sys.exit(main())
