"""One alert end to end: a lost database, the rule, Alertmanager, a webhook, and its end in the same way."""

import json
import time
from pathlib import Path
from typing import Any

from callers import asked_all_the_time, stored
from cluster import ProofError, kubectl, start, until
from install import batches

ALERT = "ReadmissionDatabaseDown"
RECEIVER = Path(__file__).with_name("receiver.yaml")


def listen() -> str:
    """Start a webhook, and have Alertmanager send it the alerts of the namespace `readmission`."""
    return start(RECEIVER, "receiver", "e2e-receiver")


def notifications(status: str) -> list[dict[str, Any]]:
    """Return the alerts of this name and status that the webhook has received."""
    lines = kubectl("-n", "e2e-receiver", "logs", "deployment/receiver").splitlines()
    alerts = [a for line in lines if line.startswith("{") for a in json.loads(line)["alerts"]]
    return [a for a in alerts if a["labels"]["alertname"] == ALERT and a["status"] == status]


def database_gone(namespace: str, name: str) -> str:
    """Take Postgres away until the alert reaches the webhook, then bring it back until the alert is resolved there."""
    with asked_all_the_time() as answers:
        began = time.monotonic()
        kubectl("-n", namespace, "scale", f"statefulset/{name}", "--replicas=0")
        try:
            [alert, *_] = until(480, f"{ALERT} at the webhook", lambda: notifications("firing"), pause=3)
            fired = time.monotonic() - began
        finally:
            kubectl("-n", namespace, "scale", f"statefulset/{name}", "--replicas=1")
        back = time.monotonic()
        until(120, "the database's answer", batches)
        answering = time.monotonic() - back
        until(360, f"the end of {ALERT} at the webhook", lambda: notifications("resolved"), pause=3)
        resolved = time.monotonic() - back
    if "runbook_url" not in alert["annotations"]:
        raise ProofError(f"the alert names no runbook: {alert}")
    return (
        f"{ALERT} ({alert['labels']['severity']}) at the webhook {fired:.0f} s after the loss; database back in"
        f" {answering:.0f} s, resolved after {resolved:.0f} s; {answers};"
        f" {stored(answers.ids)}"
    )


def forget() -> None:
    """Delete the webhook."""
    kubectl("delete", "namespace", "e2e-receiver", "--ignore-not-found")
    kubectl("-n", "readmission", "delete", "alertmanagerconfig", "e2e", "--ignore-not-found", check=False)
