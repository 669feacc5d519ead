"""Releases that others installed under names of ours: neither a sync nor a destroy touches them."""

import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cluster import ProofError, helmfile, kubectl, run
from proofs import nothing_left

#: Namespace -> release, as the READMEs of their charts name them and as helmfile.yaml does.
RELEASES = {"keda": "keda", "monitoring": "monitoring"}
CHART = {
    "Chart.yaml": "apiVersion: v2\nname: foreign\nversion: 1.0.0\n",
    "templates/settings.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: foreign}\ndata: {whose: others}\n",
}


@contextlib.contextmanager
def installed() -> Iterator[None]:
    """Install a foreign release in each namespace; remove it afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in CHART.items():
            path = Path(folder) / "foreign" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        chart = f"{folder}/foreign"
        for namespace, release in RELEASES.items():
            run("helm", "install", release, chart, "--namespace", namespace, "--create-namespace", "--wait")
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
        if "is not of this system" in str(error) or "cannot be imported into the current release" in str(error):
            return
        raise
    raise ProofError(f"helmfile {' '.join(arguments)} was not refused")


def untouched() -> str:
    """Sync and destroy, without monitoring and KEDA and then, in error, with them: the foreign releases stay."""
    selected = [
        part
        for name in ("foundation", "prometheus-operator-crds", *RELEASES.values())
        for part in ("-l", f"name={name}")
    ]
    absent, chosen = (choose(False),), (choose(True),)
    with installed():
        before = observe()
        helmfile(*selected, "sync", values=absent)
        helmfile(*selected, "destroy", values=absent)
        after_absent = observe()
        for release in ("foundation", *RELEASES.values()):
            refused("-l", f"name={release}", "sync", values=chosen)
        for release in RELEASES.values():
            refused("-l", f"name={release}", "destroy", values=chosen)
        after_chosen = observe()
    changed = [name for name in before if not before[name] == after_absent[name] == after_chosen[name]]
    if changed:
        raise ProofError(f"changed: {', '.join(changed)}: {before}, {after_absent}, {after_chosen}")
    nothing_left()
    return f"{', '.join(before)}: as before after sync and destroy without ours; with ours, refused"
