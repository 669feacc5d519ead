import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

import chartlib

import charts

#: Objects by release.
Platform = dict[str, list[dict[str, Any]]]
#: Name, namespace, labels and pod spec.
Pod = tuple[str, str, dict[str, str], dict[str, Any]]


@pytest.fixture(scope="session", autouse=True)
def dependencies() -> None:
    chartlib.build_dependencies()


@pytest.fixture(scope="session")
def platform() -> Platform:
    """Objects of every release of ours with everything on, as prod has it: release -> objects."""
    everything = {"feed": {"enabled": True}, "loadtest": {"enabled": True}}
    values = chartlib.state("prod", **chartlib.ANSWERS)["overrides"]["readmission"]
    chosen = {name: {"install": True} for name in ("notebook", "pgadmin")}
    over = chosen | {"overrides": {"readmission": chartlib.merged(values, everything)}}
    return {r.name: chartlib.render(r, chartlib.ROOT / r.chart) for r in chartlib.releases("prod", **over) if r.ours}


@pytest.fixture(scope="session")
def pods(platform: Platform) -> list[Pod]:
    """(name, namespace, labels, pod spec) of everything of ours that runs."""
    specs = []
    for item in (o for objects in platform.values() for o in objects):
        meta = item["metadata"]
        if item["kind"] == "Pod":
            specs.append((meta["name"], meta["namespace"], meta["labels"], item["spec"]))
        elif item["kind"] in ("Deployment", "Job", "StatefulSet", "CronJob"):
            template = (item["spec"]["jobTemplate"] if item["kind"] == "CronJob" else item)["spec"]["template"]
            specs.append((meta["name"], meta["namespace"], template["metadata"]["labels"], template["spec"]))
    return specs


@pytest.fixture(scope="session")
def upstream() -> Path:
    """Folder of the charts of others."""
    folder = charts.charts_folder()
    if folder is None:
        pytest.skip("the charts of others are not in CHARTS_DIR")
    return folder
