"""The screen of `make preflight`, against a kubectl that answers from tables."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import chartlib
import pytest

SCRIPT = Path(__file__).parents[3] / "scripts/preflight.py"
CLASS = {"metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}}
NODE = {"spec": {}, "status": {"allocatable": {"cpu": "4", "memory": "8Gi"}}}
BUSY = {
    "metadata": {},
    "spec": {"containers": [{"resources": {"requests": {"cpu": "500m", "memory": "1Gi"}}}]},
}
#: What `kubectl get KIND` answers on a cluster that lacks nothing.
WHOLE: dict[str, list[dict[str, Any]]] = {
    "storageclasses": [CLASS],
    "nodes": [NODE],
    "pods": [BUSY],
    "namespaces": [{"metadata": {"name": "default"}}],
    "endpointslices": [{"ports": [{"port": 6443}]}],
    "customresourcedefinitions": [],
    "ingressclasses": [],
    "secrets": [],
}
#: Without `site`, as it starts a dozen times for each screen.
KUBECTL = """#!{python} -IS
import json, sys
arguments = [a for a in sys.argv[1:] if not a.startswith("--context")]
answers = json.load(open({answers!r}))
if arguments[0] == "auth":
    print("no" if arguments[-1] in answers["denied"] else "yes")
elif arguments[:2] == ["get", "--raw"]:
    sys.exit(0 if answers["metrics"] else 1)
elif arguments[0] == "get":
    print(json.dumps({{"items": answers["objects"][arguments[1]]}}))
"""


def screen(
    tmp_path: Path, objects: dict[str, Any], *, metrics: bool = True, denied: str = "", **over: Any
) -> list[str]:
    """Run preflight on such a cluster; return its lines that are not ok, then its exit code."""
    answers = tmp_path / "answers.json"
    answers.write_text(json.dumps({"objects": WHOLE | objects, "metrics": metrics, "denied": denied}))
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(KUBECTL.format(python=sys.executable, answers=str(answers)))
    kubectl.chmod(0o755)
    needs = {"values": chartlib.state("dev", **over), "cpu": 1.2, "memory": 4 * 2**30}
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        [sys.executable, SCRIPT, json.dumps(needs)], env=environment, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) >= 9
    return [" ".join(line.split()) for line in lines if not line.startswith("ok")] + [str(done.returncode)]


def test_nothing_is_missing(tmp_path: Path) -> None:
    assert screen(tmp_path, {}) == ["0"]


@pytest.mark.parametrize(
    ("objects", "over", "line"),
    [
        ({"storageclasses": []}, {}, "FAIL storage class no default. Set cluster.storageClass to one of: none"),
        ({}, {"cluster": {"storageClass": "fast"}}, "FAIL storage class there is no fast; there are: standard"),
        ({"nodes": []}, {}, "FAIL cpu 1.2 CPUs requested, -0.5 free on 0 nodes."),
        ({"endpointslices": [{"ports": [{"port": 8443}]}]}, {}, "FAIL API server listens on [8443]. Set cluster:"),
        ({"namespaces": [{"metadata": {"name": "airflow"}}]}, {}, "FAIL namespaces of others: airflow. Set cluster"),
        ({}, {"cluster": {"namespaces": {"create": False}}}, "FAIL namespaces absent: readmission, readmission-data,"),
        (
            {"customresourcedefinitions": [{"metadata": {"name": "servicemonitors.monitoring.coreos.com"}}]},
            {},
            "FAIL monitoring the cluster has one, of somebody else. Set monitoring: {install: false,",
        ),
        (
            {},
            {"monitoring": {"install": False, "namespace": "theirs"}},
            "FAIL monitoring there is no Prometheus operator.",
        ),
        ({}, {"ingress": {"namespace": "i", "className": "nginx"}}, "FAIL ingress no class nginx; there are: none."),
        (
            {
                "namespaces": [
                    {"metadata": {"name": "keda", "labels": {"app.kubernetes.io/part-of": "readmission"}}},
                ],
                "secrets": [{"metadata": {"labels": {"name": "keda"}}}],
            },
            {},
            "FAIL releases under the names of an earlier version: keda. Run scripts/rename-releases",
        ),
    ],
)
def test_what_is_missing_is_named_with_what_to_do(
    tmp_path: Path, objects: dict[str, Any], over: dict[str, Any], line: str
) -> None:
    lines = screen(tmp_path, objects, **over)
    assert any(text.startswith(line) for text in lines), lines
    assert lines[-1] == "1"


def test_metrics_are_needed_only_for_scaling(tmp_path: Path) -> None:
    scaling: dict[str, Any] = {"overrides": {"readmission": {"inference": {"autoscaling": {"enabled": True}}}}}
    assert screen(tmp_path, {}, metrics=False)[-1] == "0"
    assert "FAIL metrics-server absent" in screen(tmp_path, {}, metrics=False, **scaling)[0]


def test_rights_that_are_missing_are_listed(tmp_path: Path) -> None:
    assert screen(tmp_path, {}, denied="secrets") == [
        "FAIL rights you may not create secrets. Ask whoever runs the cluster for them",
        "1",
    ]
