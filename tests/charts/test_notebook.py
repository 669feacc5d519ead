"""JupyterLab on a cluster: off unless chosen, the analyst's password alone, reaching the database and the API only."""

from typing import Any

import chartlib
import pytest
import yaml

Objects = dict[str, list[dict[str, Any]]]


def ours(environment: str, **over: Any) -> Objects:
    """Render our releases: release -> objects."""
    return {
        r.name: chartlib.render(r, chartlib.ROOT / r.chart) for r in chartlib.releases(environment, **over) if r.ours
    }


def named(objects: Objects, release: str, name: str) -> list[dict[str, Any]]:
    return [o for o in objects[release] if o["metadata"]["name"] == name]


@pytest.fixture(scope="module")
def chosen() -> Objects:
    notebook = {"install": True, "size": "3Gi"}
    return ours("prod", notebook=notebook, cluster={"storageClass": "fast"})


@pytest.mark.parametrize("environment", chartlib.ENVIRONMENTS)
def test_nobody_gets_it_unasked(environment: str) -> None:
    assert "notebook" not in chartlib.as_json([o for objects in ours(environment).values() for o in objects])


def test_its_pod_has_the_analysts_password_a_token_and_a_key(chosen: Objects) -> None:
    [pod] = [
        o["spec"]["template"]["spec"]
        for o in named(chosen, "readmission", "readmission-notebook")
        if o["kind"] == "Deployment"
    ]
    variables = {v["name"]: v.get("valueFrom", {}).get("secretKeyRef") for v in pod["containers"][0]["env"]}
    assert {name: reference for name, reference in variables.items() if reference} == {
        "READMISSION_POSTGRES_PASSWORD_ANALYST": {"name": "readmission-database-analyst", "key": "password"},
        "READMISSION_NOTEBOOK_TOKEN": {"name": "readmission-notebook", "key": "token"},
        "READMISSION_NOTEBOOK_API_KEY": {"name": "readmission-api-notebook", "key": "key"},
    }
    assert pod["automountServiceAccountToken"] is False
    assert {"name": "work", "persistentVolumeClaim": {"claimName": "readmission-notebook"}} in pod["volumes"]


def test_its_volume_outlives_the_release(chosen: Objects) -> None:
    [claim] = [o for o in named(chosen, "readmission", "readmission-notebook") if o["kind"] == "PersistentVolumeClaim"]
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert claim["spec"]["storageClassName"] == "fast"
    assert claim["spec"]["resources"]["requests"]["storage"] == "3Gi"
    objects = chartlib.render_ours("notebook", chartlib.alone("notebook") | {"persistence": {"enabled": False}})
    assert "PersistentVolumeClaim" not in {o["kind"] for o in objects}


def test_its_secrets_are_made_and_its_key_may_predict_and_report(chosen: Objects) -> None:
    [config] = [o for o in chosen["foundation"] if "secrets.json" in o.get("data", {})]
    made = {(s["namespace"], s["name"]): s["data"] for s in yaml.safe_load(config["data"]["secrets.json"])}
    assert made["readmission", "readmission-database-analyst"] == {"password": "{database-analyst}"}
    assert made["readmission", "readmission-notebook"] == {"token": "{notebook-token}"}
    lines = made["readmission", "readmission-api-keys"]["keys"].splitlines()
    assert "notebook:{sha256:api-notebook}:predict,feedback" in lines and len(lines) == 4


def test_it_reaches_the_database_and_the_api_and_nothing_else(chosen: Objects) -> None:
    policies = {o["metadata"]["name"] for o in chosen["foundation"] if o["kind"] == "NetworkPolicy"}
    assert {name for name in policies if name.startswith("notebook-to-")} == {
        "notebook-to-postgres",
        "notebook-to-inference",
    }
    assert "inference-from-notebook" in policies
    assert not [o for o in named(chosen, "readmission", "readmission-notebook") if o["kind"] == "Ingress"]
