"""What an environment asks of a cluster, from what renders: `table` for the docs, `needs` for preflight.py."""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import helm_python as helm
from chartlib import ENVIRONMENTS, build_dependencies, images, releases, render, state, state_files
from preflight_cluster import quantity

from charts import charts_folder, find_chart

#: Kinds whose pods stay; Jobs end before the others are at full size.
LASTING = ("Deployment", "StatefulSet", "DaemonSet", "Prometheus", "Alertmanager", "Cluster")


def replicas(item: dict[str, Any], objects: list[dict[str, Any]]) -> int:
    """Return how many pods an object has at least: an autoscaler's minimum counts."""
    for scaler in (o for o in objects if o["kind"] in ("HorizontalPodAutoscaler", "ScaledObject")):
        if scaler["spec"]["scaleTargetRef"]["name"] == item["metadata"]["name"]:
            return int(scaler["spec"].get("minReplicas") or scaler["spec"]["minReplicaCount"])
    return int(item["spec"].get("replicas", item["spec"].get("instances", 1)))


def containers(item: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the containers of an object's pod; those of the operator's own kinds are in its one `resources`."""
    template = item["spec"].get("template")
    return list(template["spec"]["containers"]) if template else [{"resources": item["spec"].get("resources", {})}]


def sizes(objects: list[dict[str, Any]]) -> Counter[str]:
    """Sum requests, memory limits (bytes), volumes (bytes) and pods of objects; a DaemonSet counts one node."""
    totals = Counter[str]()
    for item in objects:
        if item["kind"] == "PersistentVolumeClaim":
            totals["volumes"] += int(quantity(item["spec"]["resources"]["requests"]["storage"]))
        if item["kind"] not in LASTING:
            continue
        count = replicas(item, objects)
        totals["pods"] += count
        for resources in (container.get("resources") or {} for container in containers(item)):
            requests, limits = resources.get("requests", {}), resources.get("limits", {})
            totals["millicpu"] += round(count * 1000 * quantity(str(requests.get("cpu", 0))))
            totals["memory"] += int(count * quantity(str(requests.get("memory", 0))))
            totals["limits"] += int(count * quantity(str(limits.get("memory", 0))))
        claims = [claim["spec"] for claim in item["spec"].get("volumeClaimTemplates", [])]
        if item["kind"] == "Cluster":
            totals["volumes"] += int(count * quantity(item["spec"]["storage"]["size"]))
        storage = item["spec"].get("storage", {}).get("volumeClaimTemplate")
        for claim in [*claims, *([storage["spec"]] if storage else [])]:
            totals["volumes"] += int(count * quantity(claim["resources"]["requests"]["storage"]))
    return totals


def rendered(environment: str, **over: Any) -> dict[str, list[dict[str, Any]]]:
    """Return the objects of each release whose chart is on disk."""
    pairs = [(release, find_chart(release, charts_folder())) for release in releases(environment, **over)]
    return {release.name: render(release, chart) for release, chart in pairs if chart}


def row(name: str, totals: Counter[str]) -> str:
    """Return a row of the table."""
    gib = 2.0**30
    figures = [f"{totals['millicpu'] / 1000:.2f}"]
    figures += [f"{totals[key] / gib:.1f} GiB" for key in ("memory", "limits", "volumes")]
    return f"| {name} | {totals['pods']} | {' | '.join(figures)} |"


def table() -> None:
    """Print requests, limits and volumes of each environment, and of each release of prod."""
    print("| | pods | CPU requested | memory requested | memory limits | volumes |\n|---|---:|---:|---:|---:|---:|")
    for environment in ENVIRONMENTS:
        by_release = {name: sizes(objects) for name, objects in rendered(environment).items()}
        print(row(f"**{environment}**", sum(by_release.values(), Counter[str]())))
        if environment == "prod":
            for name, totals in by_release.items():
                if totals:
                    print(row(name, totals))


def needs(environment: str, **over: Any) -> None:
    """Print what preflight.py reads: state values, sums of requests, and every image."""
    objects = rendered(environment, **over)
    total = sum((sizes(items) for items in objects.values()), Counter[str]())
    names = sorted({name for items in objects.values() for name in images(items)}, key=lambda n: "/pipeline:" not in n)
    values = state(environment, **over)
    print(json.dumps({"values": values, "cpu": total["millicpu"] / 1000, "memory": total["memory"], "images": names}))


def main() -> None:
    """Run the verb of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("table")
    needing = verbs.add_parser("needs")
    needing.add_argument("environment", choices=ENVIRONMENTS)
    needing.add_argument("values", nargs="*", type=Path)
    arguments = parser.parse_args()
    build_dependencies()
    if arguments.verb == "table":
        table()
        return
    try:
        needs(arguments.environment, **state_files(arguments.values))
    except helm.HelmError as error:
        sys.exit(f"The state values are refused: {str(error).split(': ', 1)[-1]}")


if __name__ == "__main__":
    main()
