"""pgAdmin on a cluster: off unless chosen, connected as the analyst alone, reaching the database only."""

from typing import Any

import chartlib
import pytest
import yaml

Objects = dict[str, list[dict[str, Any]]]
OWN_DATABASE: dict[str, Any] = {"install": False, "host": "db.example.org", "port": 6432, "sslmode": "require"}


def ours(environment: str, **over: Any) -> Objects:
    """Render our releases: release -> objects."""
    return {
        r.name: chartlib.render(r, chartlib.ROOT / r.chart) for r in chartlib.releases(environment, **over) if r.ours
    }


def named(objects: Objects, name: str) -> dict[str, dict[str, Any]]:
    """Return the objects of one name in the release `readmission`, by kind."""
    return {o["kind"]: o for o in objects["readmission"] if o["metadata"]["name"] == name}


@pytest.fixture(scope="module")
def chosen() -> Objects:
    return ours("prod", pgadmin={"install": True}, postgres=OWN_DATABASE)


@pytest.mark.parametrize("environment", chartlib.ENVIRONMENTS)
def test_nobody_gets_it_unasked(environment: str) -> None:
    assert "pgadmin" not in chartlib.as_json([o for objects in ours(environment).values() for o in objects])


def test_its_pod_has_the_analysts_password_and_one_to_log_in_with(chosen: Objects) -> None:
    pod = named(chosen, "readmission-pgadmin")["Deployment"]["spec"]["template"]["spec"]
    environment = pod["containers"][0]["env"]
    secrets = {v["name"]: v["valueFrom"]["secretKeyRef"] for v in environment if "valueFrom" in v}
    assert secrets == {
        "READMISSION_POSTGRES_PASSWORD_ANALYST": {"name": "readmission-database-analyst", "key": "password"},
        "PGADMIN_SETUP_PASSWORD": {"name": "readmission-pgadmin", "key": "password"},
    }
    plain = {v["name"]: v["value"] for v in environment if "value" in v}
    assert plain == {
        "HOME": "/tmp",
        "READMISSION_POSTGRES_HOST": "db.example.org",
        "READMISSION_POSTGRES_PORT": "6432",
        "READMISSION_POSTGRES_DATABASE": "readmission",
        "PGSSLMODE": "require",
        "PGADMIN_SETUP_EMAIL": "analyst@example.org",
    }
    assert pod["automountServiceAccountToken"] is False
    assert [volume["name"] for volume in pod["volumes"]] == ["tmp"]


def test_its_probes_ask_what_needs_no_log_in(chosen: Objects) -> None:
    objects = named(chosen, "readmission-pgadmin")
    [container] = objects["Deployment"]["spec"]["template"]["spec"]["containers"]
    probes = [container[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")]
    assert probes == [{"path": "/misc/ping", "port": "http"}] * 3
    assert container["ports"] == [{"name": "http", "containerPort": 18094}]
    assert objects.keys() == {"Deployment", "Service", "ServiceAccount"}
    assert "--bind 0.0.0.0:18094 " in (chartlib.ROOT / "images" / "pgadmin-entrypoint").read_text()


@pytest.mark.parametrize("notebook", [False, True])
def test_its_secrets_are_made_once(notebook: bool) -> None:
    objects = ours("prod", pgadmin={"install": True}, notebook={"install": notebook})["foundation"]
    [config] = [o for o in objects if "secrets.json" in o.get("data", {})]
    made = [(s["namespace"], s["name"], s["data"]) for s in yaml.safe_load(config["data"]["secrets.json"])]
    assert ("readmission", "readmission-pgadmin", {"password": "{pgadmin-password}"}) in made
    assert made.count(("readmission", "readmission-database-analyst", {"password": "{database-analyst}"})) == 1


@pytest.mark.parametrize("part", ["pgadmin", "notebook"])
def test_a_rotated_password_is_another_pod(part: str) -> None:
    def annotations(**over: Any) -> dict[str, str]:
        pod = named(ours("prod", **{part: {"install": True}}, **over), f"readmission-{part}")["Deployment"]
        return dict(pod["spec"]["template"]["metadata"].get("annotations", {}))

    labels = [annotations(rotate={"all": label})["readmission/rotated"] for label in ("2026-11", "2026-12")]
    assert annotations() == {} and labels[0] != labels[1]


def test_it_reaches_the_database_and_nothing_else(chosen: Objects) -> None:
    policies = {o["metadata"]["name"] for o in chosen["foundation"] if o["kind"] == "NetworkPolicy"}
    assert {name for name in policies if "pgadmin" in name} == {"pgadmin-to-postgres"}
    in_here = ours("prod", pgadmin={"install": True})["foundation"]
    policies = {o["metadata"]["name"] for o in in_here if o["kind"] == "NetworkPolicy"}
    assert {name for name in policies if "pgadmin" in name} == {"pgadmin-to-postgres", "postgres-from-pgadmin"}
