"""What a real API server says of the environments that are not installed: every object of theirs, and none kept."""

import json
import sys
import tempfile
from collections import defaultdict
from typing import Any

from cluster import ROOT, ProofError, kubectl, objects, run

sys.path.insert(0, str(ROOT / "scripts"))

from chartlib import build_dependencies, releases, render

from charts import charts_folder, find_chart

OTHERS = ("staging", "prod", "offline")
#: What must be there before an object that uses it can be judged.
FIRST = {
    "Namespace": "namespaces",
    "CustomResourceDefinition": "customresourcedefinitions",
    "PriorityClass": "priorityclasses",
}
Objects = dict[str, list[dict[str, Any]]]


def rendered(environment: str) -> tuple[Objects, list[str]]:
    """Return an environment's objects by the namespace they go to, and the releases whose charts are not on disk."""
    groups, absent = defaultdict(list), []
    for release in releases(environment):
        chart = find_chart(release, charts_folder())
        if chart is None:
            absent.append(release.name)
            continue
        for item in render(release, chart):
            groups[item["metadata"].get("namespace", release.namespace)].append(item)
    return groups, absent


def apply(namespace: str, items: list[dict[str, Any]], *options: str) -> list[str]:
    """Apply objects on the server's side, which refuses keys that it does not know; return what it says."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"apiVersion": "v1", "kind": "List", "items": items}, file, default=str)
        file.flush()
        command = ["kubectl", "-n", namespace, "apply", "--server-side", "--force-conflicts", *options, "-f", file.name]
        return run("sh", "-c", '"$@" 2>&1', "sh", *command, check=False).splitlines()


def accepted() -> str:
    """Ask the API server for every object of the other environments: none may be refused or warned about."""
    build_dependencies()
    counts, problems, absent = [], list[str](), set[str]()
    everything = {environment: rendered(environment) for environment in OTHERS}
    made = introduce([item for groups, _ in everything.values() for items in groups.values() for item in items])
    try:
        for environment, (groups, without) in everything.items():
            answers = [line for n, items in groups.items() for line in apply(n, items, "--dry-run=server")]
            good = [line for line in answers if line.endswith("(server dry run)")]
            problems += [f"{environment}: {line}" for line in answers if line not in good]
            absent |= set(without)
            counts.append(f"{environment} {len(good)}")
    finally:
        for kind, names in made.items():
            kubectl("delete", kind, *names)
    if problems:
        raise ProofError("\n".join(problems))
    return f"objects taken: {', '.join(counts)}; charts not on disk: {', '.join(sorted(absent)) or 'none'}"


def introduce(items: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Make the namespaces and definitions that are missing; return kind -> names of those made."""
    created = defaultdict(list)
    for kind, plural in FIRST.items():
        present = {o["metadata"]["name"] for o in objects(plural)}
        new = {o["metadata"]["name"]: o for o in items if o["kind"] == kind and o["metadata"]["name"] not in present}
        if new:
            apply("default", list(new.values()))
            created[plural] = list(new)
    kubectl("wait", "--for=condition=Established", "customresourcedefinitions", "--all", "--timeout=60s")
    return created
