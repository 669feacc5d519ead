"""A Postgres of the operator CloudNativePG: its primary is killed under requests, and a standby takes over."""

import json
import time
from typing import Any

from callers import asked_all_the_time, stored
from cluster import kubectl, until
from install import batches, sql

_NAMESPACE = "readmission-data"
_KIND = "clusters.postgresql.cnpg.io"


def operated() -> bool:
    """Tell whether the database of this installation is the operator's."""
    return bool(kubectl("-n", _NAMESPACE, "get", _KIND, "postgres", "--ignore-not-found", check=False))


def status() -> dict[str, Any]:
    """Return what the operator says of the database."""
    answer: dict[str, Any] = json.loads(kubectl("-n", _NAMESPACE, "get", _KIND, "postgres", "-o", "json"))["status"]
    return answer


def complete() -> bool:
    """Tell whether every instance is ready."""
    now = status()
    return bool(now["readyInstances"] == now["instances"] > 1)


def failed_over() -> str:
    """Kill the primary at once: another instance answers, every prediction is stored, and the first comes back."""
    until(300, "a standby", complete, pause=3)
    before = status()["currentPrimary"]
    kept = sql("SELECT count(*) FROM serving.predictions")
    with asked_all_the_time() as answers:
        time.sleep(10)
        kubectl("-n", _NAMESPACE, "delete", "pod", before, "--grace-period=0", "--force")
        began = time.monotonic()
        until(180, "another primary", lambda: status()["currentPrimary"] != before)
        until(120, "the database's answer", batches)
        took = time.monotonic() - began
    rows = stored(answers.ids)
    until(600, "the old primary as a standby", complete, pause=3)
    return (
        f"{before} -> {status()['currentPrimary']}, answering after {took:.0f} s; {answers}; {rows}, beside {kept};"
        " both instances are ready again"
    )
