"""Signatures on a cluster: who has the key, who checks, and that the public key is that of the key."""

import json
from typing import Any

import chartlib
import pytest

from readmission.signatures import SigningKey
from tests.charts.test_credentials import Server, credentials

NAMES = ("READMISSION_SIGNING_KEY", "READMISSION_TRUSTED_SIGNERS")


def environments(**over: Any) -> dict[str, set[str]]:
    """Return which of `NAMES` each workload of ours has, by the name of the workload."""
    release = next(r for r in chartlib.releases("prod", **over) if r.name == "readmission")
    workloads: dict[str, set[str]] = {}
    for item in chartlib.render(release, chartlib.CHARTS / "readmission"):
        spec = item.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template") if isinstance(spec, dict) else None
        if template:
            containers = template["spec"]["containers"]
            variables = {entry["name"] for container in containers for entry in container.get("env") or []}
            workloads[item["metadata"]["name"]] = variables & {*NAMES}
    return workloads


def airflow_steps(environment: str, **over: Any) -> dict[str, Any]:
    values = next(r.values for r in chartlib.releases(environment, **over) if r.name == "airflow")
    steps: dict[str, Any] = json.loads(values["config"]["readmission"]["steps"])
    return steps


def test_the_api_has_the_public_key_and_only_a_restore_has_the_secret_one() -> None:
    workloads = {name: variables for name, variables in environments().items() if variables}
    assert workloads == {
        "readmission-inference": {"READMISSION_TRUSTED_SIGNERS"},
        "readmission-backup": {"READMISSION_SIGNING_KEY"},
        "readmission-backup-restore": {"READMISSION_SIGNING_KEY"},
    }
    assert environments(signatures={"required": False})["readmission-inference"] == set()


def test_scoring_checks_signatures_where_they_are_required() -> None:
    own = {"score": {"deadline_seconds": 7200}}
    steps = airflow_steps("prod", pipelineSteps=own)
    assert steps["score"]["deadline_seconds"] == 7200
    secret = steps["score"]["secrets"]["READMISSION_TRUSTED_SIGNERS"]
    assert secret == {"name": "readmission-signers", "key": "signers"}
    assert "score" not in airflow_steps("dev")


@pytest.mark.parametrize("environment", chartlib.ENVIRONMENTS)
def test_every_secret_of_a_step_is_made_in_its_namespace(environment: str) -> None:
    release = next(r for r in chartlib.releases(environment) if r.name == "foundation")
    objects = chartlib.render(release, chartlib.CHARTS / "foundation")
    (declared,) = (json.loads(o["data"]["secrets.json"]) for o in objects if "secrets.json" in o.get("data", {}))
    made = {(s["name"], key) for s in declared if s["namespace"] == "pipelines" for key in s["data"]}
    steps = chartlib.merged(
        json.loads((chartlib.ROOT / "pipelines/dags/steps.json").read_text()), airflow_steps(environment)
    )
    used = {(s["name"], s["key"]) for step in steps.values() for s in step["secrets"].values()}
    assert used <= made


def test_the_job_makes_the_public_key_of_the_key_that_it_makes() -> None:
    server = Server()
    declared = [
        {"namespace": "pipelines", "name": "signing", "data": {"key": "{signing-key}"}},
        {"namespace": "readmission", "name": "signers", "data": {"signers": "{signer:signing-key}"}},
    ]
    credentials.make(declared, "z", server)
    secret = server.value("pipelines", "signing", "key")
    assert server.value("readmission", "signers", "signers") == SigningKey(secret).public
    assert secret not in server.value("readmission", "signers", "signers")
