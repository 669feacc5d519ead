"""Each chart alone: what its README prints installs it, and what it lacks explains itself."""

import re
import shutil
from pathlib import Path
from typing import Any

import chart_docs
import chartlib
import helm_python as helm
import pytest

PARTS = [name for name in chartlib.PARTS if name != "foundation"]  # which helmfile installs first
MONITORING = {"ServiceMonitor", "PrometheusRule"}
#: Charts of ours that run images of others, and where those come from.
OTHERS = {"door": "quay.io/oauth2-proxy/"}


def printed(name: str) -> list[str]:
    """Return the commands of a chart's README."""
    return re.findall(r"^    (.+)$", (chartlib.CHARTS / name / "README.md").read_text(), re.M)


def secrets(node: Any) -> set[tuple[str, str]]:
    """Return the Secrets and keys that the environment of pods names."""
    if isinstance(node, dict):
        reference = node.get("secretKeyRef")
        own = {(reference["name"], reference["key"])} if reference else set()
        return own.union(*map(secrets, node.values()))
    return set().union(*map(secrets, node)) if isinstance(node, list) else set()


@pytest.mark.parametrize("name", PARTS)
def test_a_chart_installs_as_its_readme_prints(name: str) -> None:
    *before, install = printed(name)
    command, values = install.split(" --set ")
    assert command == f"helm install {name} charts/{name} --dependency-update"
    registry, _, others = values.partition(",")
    assert registry == "global.image.registry=registry.example.org/readmission"
    objects = chartlib.render_ours(
        name, chartlib.merged(chartlib.alone(name), {"global": {"image": {"registry": "r"}}})
    )
    assert {o["kind"] for o in objects} & {"Deployment", "CronJob"}
    assert others == ",".join(f"{path}={value}" for path, value in flat(chartlib.alone(name)))
    made = {(line.split()[4], key) for line in before for key in re.findall(r"--from-literal=([^=]+)=", line)}
    assert secrets(objects) <= made
    images = chartlib.images(objects)
    assert images and all(image.startswith(OTHERS.get(name, "r/")) for image in images)


def flat(values: dict[str, Any], path: str = "") -> list[tuple[str, str]]:
    pairs = list[tuple[str, str]]()
    for key, value in values.items():
        pairs += flat(value, f"{path}{key}.") if isinstance(value, dict) else [(f"{path}{key}", value)]
    return pairs


@pytest.mark.parametrize("name", PARTS)
def test_a_value_that_it_needs_explains_itself(name: str) -> None:
    for path, _ in flat(chartlib.alone(name)):
        rest = [pair for pair in flat(chartlib.alone(name)) if pair[0] != path]
        values: dict[str, Any] = {}
        for other, value in rest:
            nested: Any = value
            for key in reversed(other.split(".")):
                nested = {key: nested}
            values = chartlib.merged(values, nested)
        with pytest.raises(helm.HelmError, match=rf"{path.split('.')[-1]}: name the "):
            chartlib.render_ours(name, values)


def kinds(name: str, values: dict[str, Any], folder: Path = chartlib.CHARTS) -> set[str]:
    release = chartlib.Release(name=name, namespace="alone", chart=f"charts/{name}", version="", values=values)
    return {item["kind"] for item in chartlib.render(release, folder / name)}


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the charts for a cluster that knows ServiceMonitors: the engine, without a cluster, is asked for apps/v1."""
    folder = tmp_path_factory.mktemp("watched") / "charts"
    shutil.copytree(chartlib.CHARTS, folder)
    template = folder / "common/templates/_objects.tpl"
    asked = '(printf "monitoring.coreos.com/v1/%s" .kind)'
    assert asked in template.read_text()
    template.write_text(template.read_text().replace(asked, '"apps/v1"'))
    chartlib.build_dependencies(folder)
    return folder


@pytest.mark.parametrize("name", ["mlflow", "inference", "demo", "feed", "observability"])
def test_monitors_are_made_where_the_cluster_knows_them(name: str, watched: Path) -> None:
    values = chartlib.alone(name)
    assert not kinds(name, values) & MONITORING
    assert "ServiceMonitor" in kinds(name, values, watched)
    assert ("PrometheusRule" in kinds(name, values, watched)) == (name == "observability")
    for enabled in (False, True):
        chosen = chartlib.merged(values, {"serviceMonitor": {"enabled": enabled}})
        assert ("ServiceMonitor" in kinds(name, chosen)) == enabled
        assert ("ServiceMonitor" in kinds(name, chosen, watched)) == enabled


def test_the_readme_prints_every_secret_with_its_keys() -> None:
    assert printed("mlflow")[:2] == [
        "kubectl create secret generic readmission-database-mlflow --from-literal=password=...",
        "kubectl create secret generic readmission-objects-mlflow"
        " --from-literal=access-key=... --from-literal=secret-key=...",
    ]
    roles = next(line for line in printed("backup") if "database-roles" in line)
    assert "--from-literal=owner=..." in roles and roles.count("--from-literal") == 12


def test_docs_of_a_chart_without_secrets_are_one_command() -> None:
    assert chart_docs.secrets([]) == {}
    assert printed("demo") == [line for line in printed("demo") if line.startswith("helm install demo ")]
