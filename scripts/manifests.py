"""Write the manifests of an environment in apply order, for Argo CD, Flux or kubectl: `make manifests ENV=prod OUT=x`.

A folder a release, in the order of helmfile.yaml; in it up to three files: `1-before.yaml` and `3-after.yaml` hold what
Helm would run before and after an install, `2-objects.yaml` all else, in Helm's order of kinds. Needs no helm and no
cluster.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import helm_python as helm
import yaml
from chartlib import ENVIRONMENTS, Release, build_dependencies, helmfile, releases, render, state, state_files

from charts import charts_folder, find_chart

#: Kinds in the order in which Helm installs them, up to those whose order matters; the others follow by name.
KINDS = [
    "Namespace",
    "CustomResourceDefinition",
    "PriorityClass",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "ConfigMap",
    "StorageClass",
    "PersistentVolumeClaim",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "Service",
    "DaemonSet",
    "Deployment",
    "StatefulSet",
]
#: Kinds without a namespace.
CLUSTER_WIDE = {
    "APIService",
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "IngressClass",
    "MutatingWebhookConfiguration",
    "Namespace",
    "PersistentVolume",
    "PriorityClass",
    "StorageClass",
    "ValidatingWebhookConfiguration",
}
FILES = ("1-before.yaml", "2-objects.yaml", "3-after.yaml")


def file_of(item: dict[str, Any]) -> str:
    """Return the file that an object belongs to; nothing if it is not applied: tests, and what runs at a removal."""
    hooks = str((item["metadata"].get("annotations") or {}).get("helm.sh/hook", "")).split(",")
    if hooks == [""]:
        return FILES[1]
    names = {hook.strip() for hook in hooks}
    if names & {"pre-install", "pre-upgrade"}:
        return FILES[0]
    return FILES[2] if names & {"post-install", "post-upgrade"} else ""


def position(item: dict[str, Any]) -> tuple[int, int, str, str, str]:
    """Return what objects of a file are sorted by: the weight of hooks, then the kind, then the name."""
    meta, kind = item["metadata"], item["kind"]
    weight = int((meta.get("annotations") or {}).get("helm.sh/hook-weight", 0))
    rank = KINDS.index(kind) if kind in KINDS else len(KINDS)
    return weight, rank, kind, meta.get("namespace", ""), meta["name"]


def with_namespace(item: dict[str, Any], release: Release) -> dict[str, Any]:
    """Return the object with its namespace, which charts may leave to Helm."""
    if item["kind"] in CLUSTER_WIDE or "namespace" in item["metadata"]:
        return item
    return item | {"metadata": item["metadata"] | {"namespace": release.namespace}}


def folders() -> dict[str, str]:
    """Return the folder of each release by its name without prefix: numbered as in helmfile.yaml."""
    names = [str(spec["name"]).rsplit("}", 1)[-1] for spec in helmfile()[1]["releases"]]
    return {name: f"{number:02}-{name}" for number, name in enumerate(names, 1)}


def manifests(environment: str, **over: Any) -> dict[str, str]:
    """Return the manifests of every release of an environment: path -> YAML.

    Raises:
        SystemExit: The chart of a release is not on disk.
    """
    prefix = state(environment, **over)["cluster"]["namePrefix"]
    folder, written = charts_folder(), dict[str, str]()
    numbered = folders()
    for release in releases(environment, **over):
        chart = find_chart(release, folder)
        if chart is None:
            sys.exit(f"{release.name}: its chart is not in CHARTS_DIR ({folder or 'unset'}): run `make charts-pull`.")
        objects = [with_namespace(item, release) for item in render(release, chart)]
        for name in FILES:
            chosen = sorted((item for item in objects if file_of(item) == name), key=position)
            if chosen:
                text = yaml.safe_dump_all(chosen, sort_keys=False, width=10_000)
                written[f"{numbered[release.name.removeprefix(prefix)]}/{name}"] = text
    return written


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("environment", choices=ENVIRONMENTS)
    parser.add_argument("out", type=Path, help="folder, in which only manifests of an earlier run may be")
    parser.add_argument("values", nargs="*", type=Path, help="state value files of a site")
    arguments = parser.parse_args()
    build_dependencies()
    try:
        texts = manifests(arguments.environment, **state_files(arguments.values))
    except helm.HelmError as error:
        sys.exit(f"The state values are refused: {str(error).split(': ', 1)[-1]}")
    for old in (path for name in FILES for path in arguments.out.glob(f"[0-9][0-9]-*/{name}")):
        old.unlink()
    for path, text in texts.items():
        (arguments.out / path).parent.mkdir(parents=True, exist_ok=True)
        (arguments.out / path).write_text(text)
    print(f"{arguments.out}: {len(texts)} files in {len({path.split('/')[0] for path in texts})} folders")


if __name__ == "__main__":
    main()
