"""Releases that others installed under names of ours: neither a sync nor a destroy touches them."""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml
from cluster import ProofError, helmfile, kubectl, run
from proofs import nothing_left

#: Namespace -> release, as the READMEs of their charts name them, in namespaces that we use as well.
RELEASES = {"keda": "keda", "monitoring": "monitoring"}
OURS = ("readmission-monitoring", "readmission-keda")
CHART = {
    "Chart.yaml": "apiVersion: v2\nname: foreign\nversion: 1.0.0\n",
    "templates/settings.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: foreign}\ndata: {whose: others}\n",
}


def install(releases: dict[str, str]) -> None:
    """Install a small foreign release in each namespace."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in CHART.items():
            path = Path(folder) / "foreign" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        chart = f"{folder}/foreign"
        for namespace, release in releases.items():
            run("helm", "install", release, chart, "--namespace", namespace, "--create-namespace", "--wait")


def neighbours() -> dict[str, str]:
    """Return namespace -> release of what is there all the time: KEDA in its usual place, unless we install one."""
    files = [yaml.safe_load(Path(name).read_text()) for name in os.environ.get("E2E_VALUES", "").split()]
    own = any(values.get("keda", {}).get("install") for values in files)
    return {"foreign-keda" if own else "keda": "keda", "foreign-monitoring": "monitoring", "hospital": "wards"}


#: Namespace -> digest of all it holds, before the system came.
BEFORE: dict[str, str] = {}


def digest(namespace: str) -> str:
    """Digest the namespace itself and every object in it that is not of the moment."""
    held = "configmaps,secrets,serviceaccounts,services,deployments,networkpolicies,roles,rolebindings,resourcequotas"
    text = kubectl("get", "namespace", namespace, "-o", "json") + kubectl("-n", namespace, "get", held, "-o", "json")
    return hashlib.sha256(text.encode()).hexdigest()


def move_in() -> str:
    """Install what others have on this cluster: releases called keda and monitoring, and a namespace."""
    install(neighbours())
    BEFORE.update({namespace: digest(namespace) for namespace in neighbours()})
    return ", ".join(f"{release} in {namespace}" for namespace, release in neighbours().items())


def unchanged() -> str:
    """Compare all that others have with what it was before the system came: byte for byte the same."""
    changed = [namespace for namespace, before in BEFORE.items() if digest(namespace) != before]
    if changed:
        raise ProofError(f"changed: {', '.join(changed)}")
    return f"{', '.join(BEFORE)}: every object as it was"


def move_out() -> None:
    """Remove what `move_in` brought."""
    for namespace, release in neighbours().items():
        run("helm", "uninstall", release, "--namespace", namespace, "--wait", check=False)
        kubectl("delete", "namespace", namespace, "--ignore-not-found")


@contextlib.contextmanager
def installed() -> Iterator[None]:
    """Install a foreign release in each namespace that we use as well; remove it afterwards."""
    install(RELEASES)
    try:
        yield
    finally:
        # The refused install of `foundation` leaves a failed release.
        run("helm", "uninstall", "foundation", "--namespace", "default", "--wait", check=False)
        for namespace, release in RELEASES.items():
            run("helm", "uninstall", release, "--namespace", namespace, "--wait", check=False)
            kubectl("delete", "namespace", namespace, "--ignore-not-found")


def observe() -> dict[str, str]:
    """Return what Helm knows of each foreign release, and the objects it brought."""
    state = {}
    for namespace, release in RELEASES.items():
        target = (release, "--namespace", namespace)
        state[release] = run("helm", "get", "manifest", *target) + run("helm", "history", *target, "--output", "json")
        settings = json.loads(kubectl("-n", namespace, "get", "configmap", "foreign", "-o", "json"))
        state[release] += f"{settings['metadata']['uid']} {settings['metadata']['resourceVersion']}"
    return state


def choose(install: bool) -> Path:
    """Return state values that install monitoring and KEDA, or neither."""
    path = Path(tempfile.mkdtemp()) / "foreign.yaml"
    path.write_text(json.dumps({"monitoring": {"install": install}, "keda": {"install": install}}))
    return path


def refused(*arguments: str, values: tuple[Path, ...]) -> None:
    """Run helmfile, which must refuse to work on a foreign namespace."""
    try:
        helmfile(*arguments, values=values)
    except ProofError as error:
        if "is not of this system" in str(error) or "namespaces        of others" in str(error):
            return
        raise
    raise ProofError(f"helmfile {' '.join(arguments)} was not refused")


def untouched() -> str:
    """Sync and destroy, without monitoring and KEDA and then, in error, with them: the foreign releases stay."""
    selected = [part for name in ("foundation", "readmission-crds", *OURS) for part in ("-l", f"name={name}")]
    absent, chosen = (choose(False),), (choose(True),)
    with installed():
        before = observe()
        helmfile(*selected, "sync", values=absent)
        helmfile(*selected, "destroy", values=absent)
        after_absent = observe()
        for release in ("foundation", *OURS):
            refused("-l", f"name={release}", "sync", values=chosen)
        for release in OURS:
            refused("-l", f"name={release}", "destroy", values=chosen)
        after_chosen = observe()
    changed = [name for name in before if not before[name] == after_absent[name] == after_chosen[name]]
    if changed:
        raise ProofError(f"changed: {', '.join(changed)}: {before}, {after_absent}, {after_chosen}")
    nothing_left()
    return f"{', '.join(before)}: as before after sync and destroy without ours; with ours, refused"
