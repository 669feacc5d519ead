"""What `preflight` asks a cluster by kubectl, and the lines of its screen."""

import json
import subprocess
import time
from collections.abc import Callable
from typing import Any, NamedTuple


class Finding(NamedTuple):
    """One line of the screen: `ok`, `warn` (it installs, and something will not work) or `FAIL`."""

    level: str
    topic: str
    text: str


class Cluster:
    """What kubectl says of a cluster."""

    def __init__(self, context: str) -> None:
        self.command = ["kubectl", *([f"--context={context}"] if context else [])]

    def run(self, *arguments: str, stdin: str = "") -> tuple[int, str]:
        """Run kubectl; return its status and what it printed."""
        done = subprocess.run([*self.command, *arguments], input=stdin, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout.strip() or done.stderr.strip()

    def apply(self, *items: dict[str, Any]) -> None:
        """Create objects or change them."""
        self.run("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))

    def get(self, *arguments: str) -> list[dict[str, Any]]:
        """Return objects, none if the kind or the right to see it is absent."""
        status, text = self.run("get", *arguments, "-o", "json")
        document = json.loads(text) if status == 0 else {"items": []}
        items: list[dict[str, Any]] = document.get("items", [document])
        return items


def quantity(text: str) -> float:
    """Return a quantity of Kubernetes, such as 250m or 2Gi, as a number."""
    units = {"m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
    for unit in sorted(units, key=len, reverse=True):
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * units[unit]
    return float(text)


def until(seconds: float, test: Callable[[], Any]) -> Any:
    """Poll until a test returns something; None after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if result := test():
            return result
        time.sleep(1)
    return None
