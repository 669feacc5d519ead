"""What the proofs ask of a cluster: kubectl, helmfile, port-forwards, Secrets; and the timed report."""

import base64
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx

ROOT = Path(__file__).resolve().parents[2]
OUR_NAMESPACES = ("readmission", "readmission-data", "pipelines", "airflow", "monitoring")

T = TypeVar("T")


class ProofError(Exception):
    """A proof that does not hold; says what was seen."""


def run(*command: str, check: bool = True, timeout: float = 1800) -> str:
    """Run a command; return its output, or fail with the end of its output."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout)
    if check and done.returncode:
        raise ProofError(f"{' '.join(command)[:200]}: {(done.stdout + done.stderr)[-1500:]}")
    return done.stdout


def kubectl(*arguments: str, check: bool = True) -> str:
    """Run kubectl on the current context."""
    return run("kubectl", *arguments, check=check)


def objects(kind: str, namespace: str = "", selector: str = "") -> list[dict[str, Any]]:
    """Return objects of a kind, of one namespace or of all."""
    scope = ["-n", namespace] if namespace else ["-A"]
    filters = ["-l", selector] if selector else []
    items: list[dict[str, Any]] = json.loads(kubectl("get", kind, *scope, *filters, "-o", "json"))["items"]
    return items


def secret(namespace: str, name: str, key: str) -> str:
    """Return one value of a Secret."""
    data = json.loads(kubectl("-n", namespace, "get", "secret", name, "-o", "json"))["data"]
    return base64.b64decode(data[key]).decode()


def helmfile(*arguments: str, values: tuple[Path, ...] = ()) -> str:
    """Run helmfile for the environment under test, with the state values of this cluster."""
    command = ["helmfile", "-q", "-e", os.environ.get("E2E_ENVIRONMENT", "dev")]
    files = [Path(v) for v in os.environ.get("E2E_VALUES", "").split() if v]
    for path in (*files, *values):
        command += ["--state-values-file", str(path.resolve())]
    folder = os.environ.get("CHARTS_DIR", "")
    if folder and Path(folder).is_dir():
        command += ["--state-values-set", f"chartsDir={Path(folder).resolve()}", "--skip-refresh"]
    return run(*command, *arguments)


def start(manifest: Path, deployment: str, namespace: str, part: str = "demo") -> str:
    """Start a Deployment of a manifest in which IMAGE stands for the image of a part: one with Python that is there."""
    item = objects("deployments", "readmission", f"app.kubernetes.io/component={part}")[0]
    image = item["spec"]["template"]["spec"]["containers"][0]["image"]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(manifest.read_text().replace("IMAGE", image))
        file.flush()
        kubectl("apply", "-f", file.name)
    kubectl("-n", namespace, "rollout", "status", f"deployment/{deployment}", "--timeout=120s")
    return f"{deployment} ready"


@contextlib.contextmanager
def forward(target: str, namespace: str, port: int) -> Iterator[str]:
    """Forward a port of a pod or Service to this machine; gives the URL."""
    command = ["kubectl", "-n", namespace, "port-forward", "--address=127.0.0.1", target, f":{port}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline() if process.stdout else ""
        match = re.search(r"127\.0\.0\.1:(\d+)", line)
        if not match:
            raise ProofError(f"port-forward to {target}: {process.stderr.read() if process.stderr else ''}")
        yield f"http://127.0.0.1:{match[1]}"
    finally:
        process.terminate()
        process.wait()


def until(seconds: float, what: str, test: Callable[[], T], pause: float = 1.0) -> T:
    """Poll until a test returns something true, and return it; fail with its last result after `seconds`."""
    deadline = time.monotonic() + seconds
    last: T | Exception | None = None
    while time.monotonic() < deadline:
        try:
            if result := test():
                return result
            last = result
        except (httpx.HTTPError, ProofError, KeyError) as error:
            last = error
        time.sleep(pause)
    raise ProofError(f"{what}: not within {seconds:.0f} s; last seen: {str(last)[:500]}")


class Report:
    """Time each proof, print it as it ends, and remember what failed."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.rows: list[tuple[str, float, str, bool]] = []

    def prove(self, name: str, proof: Callable[[], str], required: bool = False) -> bool:
        """Run one proof, which returns what it saw; a required one ends all when it fails."""
        started = time.monotonic()
        try:
            seen, good = proof(), True
        except Exception as error:  # one that fails leaves the others to be tried
            if not isinstance(error, ProofError):
                traceback.print_exc()
            seen, good = f"{type(error).__name__}: {error}", False
        took = time.monotonic() - started
        self.rows.append((name, took, seen, good))
        print(f"{'ok  ' if good else 'FAIL'} {took:6.1f} s  {name}: {seen}", flush=True)
        if required and not good:
            self.finish()
        return good

    def finish(self) -> None:
        """Print the table and end the program: 0 when every proof held."""
        failed = [name for name, _, _, good in self.rows if not good]
        print("\n| proof | seconds | seen |\n|---|---:|---|")
        for name, took, seen, good in self.rows:
            print(f"| {name} | {took:.1f} | {'' if good else '**FAILED** '}{' '.join(seen.split())[:300]} |")
        total = time.monotonic() - self.began
        print(f"\n{len(self.rows) - len(failed)} of {len(self.rows)} proofs hold; {total:.0f} s in all")
        sys.exit(1 if failed else 0)
