"""What helmfile.yaml does to a cluster that others use too: it installs what is chosen and deletes nothing else."""

import itertools
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import chartlib
import pytest
import yaml
from rollout import READY_WITH, ROLLOUT

from tests.charts.conftest import Platform

#: State value -> the releases that it brings.
CHOICES = {
    "monitoring": {"readmission-crds", "readmission-monitoring"},
    "keda": {"readmission-keda"},
    "postgres": {"postgres"},
    "objectStore": {"minio"},
}
OFF: dict[str, dict[str, Any]] = {choice: {"install": False} for choice in CHOICES}
OFF["postgres"]["host"] = "db.example.org"
SPECS: list[dict[str, Any]] = chartlib.helmfile()[1]["releases"]
GUARD = chartlib.ROOT / "scripts/release-guard"


def names(**over: Any) -> set[str]:
    return {release.name for release in chartlib.releases("prod", **over)}


def test_no_release_is_marked_for_deletion() -> None:
    """`installed: false` makes helmfile uninstall a release of that name, whoever installed it."""
    assert [s["name"] for s in SPECS if s.keys() & {"installed", "installedTemplate"}] == []


@pytest.mark.parametrize("choice", CHOICES)
def test_a_choice_adds_its_releases_and_takes_no_other_away(choice: str) -> None:
    assert names() - names(**{choice: OFF[choice]}) == CHOICES[choice]


def test_the_operators_postgres_takes_the_place_of_the_trials() -> None:
    operated = {"postgres": {"engine": "cloudnative-pg"}}
    assert names(**operated, cnpg={"install": True}) == names() - {"postgres"} | {
        "readmission-cnpg",
        "postgres-cluster",
    }
    theirs = names(**operated, cnpg={"install": False, "namespace": "cnpg-system"})
    assert theirs == names() - {"postgres"} | {"postgres-cluster"}


@pytest.mark.parametrize("chosen", list(itertools.product([True, False], repeat=len(CHOICES))))
def test_every_release_waits_for_the_namespaces_whatever_is_chosen(chosen: tuple[bool, ...]) -> None:
    """What is filtered out orders nothing: each release needs `foundation` by way of releases that are there."""
    over = {choice: OFF[choice] | {"install": install} for choice, install in zip(CHOICES, chosen, strict=True)}
    there = names(**over)
    specs = {s["name"].split("}")[-1]: s for s in SPECS}
    needs = {name: [need.split("}")[-1].split("/")[-1] for need in specs[name].get("needs", [])] for name in there}

    def waits(name: str) -> bool:
        return name == "foundation" or any(waits(need) for need in needs[name] if need in there)

    assert [name for name in needs if not waits(name)] == []


def test_releases_in_namespaces_that_others_may_have_are_guarded() -> None:
    prefix = "{{ .Values.cluster.namePrefix }}"
    ours = {"default", f"{prefix}readmission", f"{prefix}readmission-data", f"{prefix}pipelines"}
    guarded = {s["name"] for s in SPECS if {"template": "guarded"} in s.get("inherit", [])}
    assert guarded == {s["name"] for s in SPECS if s["namespace"] not in ours}
    [hook] = chartlib.helmfile()[1]["templates"]["guarded"]["hooks"]
    assert set(hook["events"]) == {"presync", "preuninstall"}
    assert (chartlib.ROOT / hook["command"]).samefile(GUARD) and os.access(GUARD, os.X_OK)


@pytest.fixture
def cluster(tmp_path: Path) -> dict[str, str]:
    """Environment with a kubectl that knows three namespaces: ours with a release, ours without, and a stranger's."""
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(
        "#!/bin/sh\n"
        'ask="$*" label=app.kubernetes.io/part-of\n'
        "namespaces='--context=test get namespaces --field-selector metadata.name='\n"
        'case "$ask" in\n'
        '  "${namespaces}ours -l $label=readmission -o name") echo namespace/ours ;;\n'
        '  "${namespaces}empty -l $label=readmission -o name") echo namespace/empty ;;\n'
        '  "${namespaces}strange -l $label!=readmission -o name") echo namespace/strange ;;\n'
        '  "${namespaces}"*) ;;\n'
        '  "--context=test get secrets --namespace former "*"name in (monitoring,"*) echo keda ;;\n'
        '  *"name in (monitoring,prometheus-operator-crds,keda)"*) ;;\n'
        '  "--context=test get secrets --namespace ours -l owner=helm"*) echo a-release ;;\n'
        '  "--context=test get secrets --namespace empty -l owner=helm"*) ;;\n'
        '  *) echo "unexpected: $ask" >&2; exit 9 ;;\n'
        "esac\n"
    )
    kubectl.chmod(0o755)
    return os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["ours", "test", "ours"], 0, ""),
        (["ours", "test", "absent"], 0, ""),
        (["ours", "test", "former"], 1, "names of an earlier version: keda. First: scripts/rename-releases"),
        (["ours", "test", "strange"], 1, "namespace strange"),
        (["ours", "broken", "ours"], 9, "unexpected"),
        (["emptied", "test", "ours"], 1, "a-release"),
        (["emptied", "test", "empty"], 0, ""),
        (["emptied", "test", "strange", "", "absent"], 0, ""),
        (["emptied", "test", "strange", "ours"], 1, "a-release"),
    ],
)
def test_the_guard(cluster: dict[str, str], arguments: list[str], status: int, message: str) -> None:
    done = subprocess.run([GUARD, *arguments], env=cluster, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    assert message in done.stderr


@pytest.mark.skipif(not shutil.which("helmfile"), reason="helmfile is not on the PATH")
@pytest.mark.parametrize("over", [{}, OFF, {"keda": {"install": False}}, {"monitoring": {"install": False}}])
def test_helmfile_chooses_the_same(over: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "over.yaml"
    path.write_text(json.dumps(chartlib.merged(chartlib.ANSWERS, over)))
    command = ["helmfile", "-q", "-e", "prod", "--state-values-file", str(path), "list", "--output", "json"]
    output = subprocess.run(command, cwd=chartlib.ROOT, capture_output=True, check=True).stdout
    assert {r["name"] for r in json.loads(output) if r["enabled"]} == names(**over)
    assert all(r["installed"] for r in json.loads(output))


def test_a_lock_of_an_earlier_version_is_removed_before_helm_looks_at_it() -> None:
    """An update of a checkout from which was installed before would end with "the lock file is out of sync"."""
    [spec] = [s for s in SPECS if s["chart"] == "charts/readmission"]
    [hook] = [hook for hook in spec["hooks"] if "prepare" in hook["events"]]
    assert [hook["command"], *hook["args"]] == ["rm", "-f", "charts/readmission/Chart.lock"]


def test_a_sync_waits_for_the_pods_of_the_release_that_helm_does_not_wait_for() -> None:
    unwaited = [spec for spec in SPECS if spec.get("wait") is False]
    assert [spec["chart"] for spec in unwaited] == ["charts/readmission"]
    [hook] = [hook for hook in unwaited[0]["hooks"] if "postsync" in hook["events"]]
    assert hook["args"] == ["{{ .Release.KubeContext }}", "{{ .Release.Namespace }}", "{{ .Release.Name }}"]
    script = chartlib.ROOT / hook["command"]
    assert script.name == "rollout.py" and os.access(script, os.X_OK)


def test_only_what_waits_for_data_or_a_model_may_start_without_being_ready(platform: Platform) -> None:
    annotations = {
        item["metadata"]["name"]: item["metadata"].get("annotations", {})
        for item in platform["readmission"]
        if item["kind"] in ("Deployment", "StatefulSet")
    }
    assert {name for name, own in annotations.items() if READY_WITH in own} == {
        "readmission-inference",
        "readmission-feed",
    }
    assert {name for name, own in annotations.items() if ROLLOUT in own} == {
        "readmission-loadtest-master",
        "readmission-loadtest-worker",
    }


@pytest.mark.skipif(not shutil.which("helmfile"), reason="helmfile is not on the PATH")
@pytest.mark.parametrize("status", [0, 1])
def test_helmfile_fails_with_the_hook_after_a_release(status: int, tmp_path: Path) -> None:
    """Helm's own success does not hide it; and what needs the release is not installed then."""
    (tmp_path / "helm").write_text(
        '#!/bin/sh\ncase "$1" in version) echo v4.0.0 ;; *) echo "$*" >> "$(dirname "$0")/asked" ;; esac\n'
    )
    (tmp_path / "helm").chmod(0o755)
    release = {"namespace": "x", "chart": str(chartlib.CHARTS / "common")}
    hook = {"events": ["postsync"], "command": "sh", "args": ["-c", f"echo a sentence of the hook >&2; exit {status}"]}
    first, second = {**release, "name": "first", "hooks": [hook]}, {**release, "name": "second", "needs": ["x/first"]}
    (tmp_path / "helmfile.yaml").write_text(yaml.safe_dump({"releases": [first, second]}))
    command = ["helmfile", "--helm-binary", str(tmp_path / "helm"), "-q", "sync", "--skip-deps"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == status and ("a sentence of the hook" in done.stderr) == (status == 1), done.stderr
    asked = (tmp_path / "asked").read_text()
    assert "upgrade --install first" in asked and ("upgrade --install second" in asked) == (status == 0)
