"""What `make manifests` writes: everything that helmfile would install, in the order in which it must be applied."""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import chartlib
import manifests
import pytest
import yaml

import charts

PAGE = (chartlib.ROOT / "docs/gitops.md").read_text()
COMPLETE = {**chartlib.ANSWERS, "keda": {"install": True}}


@pytest.fixture
def ours(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Give the manifests of our releases alone, for which no chart of others is needed."""
    everything = chartlib.releases
    monkeypatch.setattr(manifests, "releases", lambda *a, **k: [r for r in everything(*a, **k) if r.ours])
    return manifests.manifests("dev")


@pytest.fixture(scope="module")
def everything() -> dict[str, str]:
    """Give the manifests of every release; skip where the charts of others are not on disk."""
    folder = charts.charts_folder()
    if folder is None or any(charts.find_chart(r, folder) is None for r in chartlib.releases("prod", **COMPLETE)):
        pytest.skip("the charts of others are not in CHARTS_DIR")
    return manifests.manifests("prod", **COMPLETE)


def objects(text: str) -> list[dict[str, Any]]:
    return [item for item in yaml.load_all(text, chartlib.Loader) if item]


def names(text: str) -> list[str]:
    return [f"{item['kind']} {item['metadata']['name']}" for item in objects(text)]


def test_what_others_wait_for_comes_first(ours: dict[str, str]) -> None:
    assert list(ours) == sorted(ours)
    assert list(ours) == [
        "01-foundation/2-objects.yaml",
        "01-foundation/3-after.yaml",
        "09-readmission/1-before.yaml",
        "09-readmission/2-objects.yaml",
    ]
    kinds = [item["kind"] for item in objects(ours["01-foundation/2-objects.yaml"])]
    assert kinds[: kinds.count("Namespace")] == ["Namespace"] * kinds.count("Namespace") != []
    assert names(ours["01-foundation/3-after.yaml"])[-1] == "Job foundation-credentials"
    # Ours makes the databases; MLflow's fills its own.
    assert names(ours["09-readmission/1-before.yaml"]) == ["Job readmission-migrate", "Job readmission-mlflow-migrate"]


def test_nothing_is_left_out_but_tests(ours: dict[str, str]) -> None:
    rendered = Counter(
        f"{item['kind']} {item['metadata']['name']}"
        for release in chartlib.releases("dev")
        if release.ours
        for item in chartlib.render(release, chartlib.ROOT / release.chart)
        if "test" not in item["metadata"].get("annotations", {}).get("helm.sh/hook", "")
    )
    assert Counter(name for text in ours.values() for name in names(text)) == rendered


def test_the_same_values_give_the_same_files(everything: dict[str, str]) -> None:
    assert manifests.manifests("prod", **COMPLETE) == everything


def test_every_object_says_where_it_belongs(everything: dict[str, str]) -> None:
    namespaces = {
        "default",
        *(name.removeprefix("Namespace ") for name in names(everything["01-foundation/2-objects.yaml"])),
    }
    for path, text in everything.items():
        for item in objects(text):
            namespace = item["metadata"].get("namespace")
            assert (namespace is None) == (item["kind"] in manifests.CLUSTER_WIDE), (path, item["kind"])
            assert namespace in {*namespaces, "kube-system", None}, (path, item["kind"], namespace)


def test_custom_resources_come_after_their_definitions(everything: dict[str, str]) -> None:
    defined = set[tuple[str, str]]()
    for path in sorted(everything):
        for item in objects(everything[path]):
            group = item["apiVersion"].split("/")[0]
            if item["kind"] == "CustomResourceDefinition":
                defined.add((item["spec"]["group"], item["spec"]["names"]["kind"]))
            elif group in ("monitoring.coreos.com", "keda.sh"):
                assert (group, item["kind"]) in defined, path


def test_a_number_stays_whatever_else_is_installed(ours: dict[str, str]) -> None:
    without = manifests.manifests("dev", monitoring={"install": False}, cluster={"namePrefix": "site-"})
    assert list(without) == list(ours)


def test_files_of_an_earlier_run_go_and_others_stay(tmp_path: Path) -> None:
    for name in ("04-readmission-keda/2-objects.yaml", "04-readmission-keda/own.yaml", "README.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("old")
    command = [sys.executable, "scripts/manifests.py", "prod", str(tmp_path)]
    refused = subprocess.run(command, cwd=chartlib.ROOT, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "The state values are refused: postgres.install: the bundled store" in refused.stderr
    assert (tmp_path / "04-readmission-keda/2-objects.yaml").is_file()
    folder = charts.charts_folder()
    if folder is None:
        return
    command[2] = "dev"
    done = subprocess.run(command, cwd=chartlib.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    kept = {path.name for path in tmp_path.rglob("*") if path.is_file() and path.read_text() == "old"}
    assert kept == {"own.yaml", "README.md"}


def test_the_page_names_the_folders_and_its_examples_can_be_read(everything: dict[str, str]) -> None:
    assert set(re.findall(r"`(\d\d-[a-z-]+)`", PAGE)) == set(manifests.folders().values())
    examples = [item for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.S) for item in objects(block)]
    assert [item["kind"] for item in examples] == ["ApplicationSet", "Kustomization", "Kustomization"]
    first, second = (item["spec"] for item in examples[1:])
    assert second.pop("dependsOn") == [{"name": examples[1]["metadata"]["name"]}]
    assert {spec.pop("path").removeprefix("./manifests/") for spec in (first, second)} <= {
        path.split("/")[0] for path in everything
    }
    assert first == second
