"""A command of docs/privacy.md in a pod: what the pod may and shows, and what becomes of the patient's number."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import chartlib
import privacy_pod
import pytest

SCRIPT = Path(__file__).parents[3] / "scripts/privacy_pod.py"
NUMBER = "8222157"
#: A cluster that writes down what it is asked, and gives what comes by `attach` back as the pod's log.
KUBECTL = """#!{python}
import json, pathlib, sys
folder = pathlib.Path({folder!r})
asked = [a for a in sys.argv[1:] if not a.startswith("--context")]
namespace, verb, *rest = asked
stdin = sys.stdin.read() if verb in ("create", "attach") else ""
with (folder / "asked").open("a") as file:
    print(json.dumps([*asked, "" if verb == "attach" else stdin]), file=file)
if verb == "auth":
    print(json.dumps({{"status": {{"userInfo": {{"username": "nurse@example.org"}}}}}}))
elif verb == "get" and rest[0] == "deployment":
    print((folder / "exporter").read_text())
elif verb == "create":
    print("pod/readmission-erase-x")
elif verb == "get":
    attached = (folder / "attached").exists()
    print(json.dumps({{"status": {{"phase": {phase!r} if attached else "Running"}}}}))
elif verb == "attach":
    (folder / "attached").write_text(stdin)
elif verb == "logs":
    print("said: " + str(len((folder / "attached").read_text())))
"""


@pytest.fixture(scope="module")
def exporter() -> dict[str, Any]:
    """Give the Deployment of the exporter as it renders."""
    chartlib.build_dependencies()
    [release] = [r for r in chartlib.releases("dev") if r.name == "readmission"]
    objects = chartlib.render(release, chartlib.CHARTS / "readmission")
    [item] = [o for o in objects if o["kind"] == "Deployment" and o["metadata"]["name"] == "readmission-observability"]
    return item


def run(
    tmp_path: Path, exporter: dict[str, Any], *arguments: str, phase: str = "Succeeded"
) -> subprocess.CompletedProcess[str]:
    """Run the script with a number on its standard input."""
    (tmp_path / "exporter").write_text(json.dumps(exporter))
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(KUBECTL.format(python=sys.executable, folder=str(tmp_path), phase=phase))
    kubectl.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = [sys.executable, str(SCRIPT), "--prefix=site-", *arguments]
    return subprocess.run(command, env=environment, input=f"{NUMBER}\n", capture_output=True, text=True, check=False)


def asked(tmp_path: Path) -> list[list[str]]:
    return [json.loads(line) for line in (tmp_path / "asked").read_text().splitlines()]


def test_an_erasure_names_the_person_and_never_the_patient(tmp_path: Path, exporter: dict[str, Any]) -> None:
    done = run(tmp_path, exporter, "erase", "--patient", "-", "--reason", "request 17")
    assert (done.returncode, done.stdout) == (0, "said: 8\n"), done.stderr
    assert (tmp_path / "attached").read_text() == f"{NUMBER}\n"
    assert NUMBER not in (tmp_path / "asked").read_text()
    [created] = [json.loads(call[-1]) for call in asked(tmp_path) if call[1] == "create"]
    [container] = created["spec"]["containers"]
    assert container["args"] == ["erase", "--patient", "-", "--reason", "request 17", "--by=nurse@example.org"]
    assert {call[0] for call in asked(tmp_path)} == {"--namespace=site-pipelines", "--namespace=site-readmission"}
    assert asked(tmp_path)[-1][1:4] == ["delete", "pod", "readmission-erase-x"]


def test_a_command_that_fails_fails_and_its_pod_goes(tmp_path: Path, exporter: dict[str, Any]) -> None:
    done = run(tmp_path, exporter, "privacy", "accesses", "--patient=-", phase="Failed")
    assert done.returncode == 1 and asked(tmp_path)[-1][1] == "delete"
    assert not [call for call in asked(tmp_path) if call[1] == "auth"]


def test_a_command_without_a_patient_is_not_attached_to(tmp_path: Path, exporter: dict[str, Any]) -> None:
    (tmp_path / "attached").write_text("")
    assert run(tmp_path, exporter, "privacy", "inventory").returncode == 0
    [created] = [json.loads(call[-1]) for call in asked(tmp_path) if call[1] == "create"]
    assert created["spec"]["containers"][0]["stdin"] is False and "attach" not in {call[1] for call in asked(tmp_path)}


@pytest.mark.parametrize("patient", [["--patient", NUMBER], [f"--patient={NUMBER}"], ["--patient"]])
def test_a_number_on_the_command_line_is_refused(tmp_path: Path, exporter: dict[str, Any], patient: list[str]) -> None:
    done = run(tmp_path, exporter, "erase", *patient)
    assert done.returncode == 2 and "standard input" in done.stderr and not (tmp_path / "asked").exists()


def test_the_pod_is_restricted_and_has_the_secrets_that_the_system_makes(exporter: dict[str, Any]) -> None:
    item = privacy_pod.pod(exporter, ["privacy", "inventory"], attached=False)
    spec, [container] = item["spec"], item["spec"]["containers"]
    assert spec["automountServiceAccountToken"] is False and spec["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["image"] == exporter["spec"]["template"]["spec"]["containers"][0]["image"]
    assert not {"ports", "livenessProbe"} & container.keys() and spec["restartPolicy"] == "Never"
    [foundation] = [r for r in chartlib.releases("dev") if r.name == "foundation"]
    objects = chartlib.render(foundation, chartlib.CHARTS / "foundation")
    [made] = [json.loads(o["data"]["secrets.json"]) for o in objects if "secrets.json" in o.get("data", {})]
    there = {(s["name"], key) for s in made if s["namespace"] == "pipelines" for key in s["data"]}
    assert set(privacy_pod.SECRETS.values()) <= there
    policies = [o for o in objects if o["kind"] == "NetworkPolicy" and o["metadata"]["name"].startswith("steps-to-")]
    selectors = [p["spec"]["podSelector"]["matchLabels"] for p in policies]
    assert len(policies) >= 4 and all(s.items() <= item["metadata"]["labels"].items() for s in selectors)
