"""Backups on a cluster: what the Jobs run, with which Secrets, where to, and what outlives the release."""

from typing import Any

import chartlib
import pytest

Objects = list[dict[str, Any]]


@pytest.fixture(scope="module", autouse=True)
def _built() -> None:
    chartlib.build_dependencies()


def render(name: str, **over: Any) -> Objects:
    release = next(r for r in chartlib.releases("dev", **over) if r.name == name)
    return chartlib.render(release, chartlib.CHARTS / name)


def pick(objects: Objects, kind: str, name: str) -> dict[str, Any]:
    return next(o for o in objects if o["kind"] == kind and o["metadata"]["name"] == name)


def pod(cronjob: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = cronjob["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return spec


def test_backups_are_made_every_night_and_restores_never_by_themselves() -> None:
    objects = render("readmission")
    backup, restore = (pick(objects, "CronJob", f"readmission-backup{end}") for end in ("", "-restore"))
    assert not backup["spec"].get("suspend") and restore["spec"]["suspend"] is True
    assert pod(backup)["containers"][0]["args"] == ["backup", "/backups", "--keep", "7", "--keep-days", "0"]
    assert pod(restore)["containers"][0]["args"] == ["restore", "/backups"]
    for cronjob in (backup, restore):
        assert cronjob["spec"]["jobTemplate"]["spec"]["backoffLimit"] == 0
        assert {"name": "backups", "persistentVolumeClaim": {"claimName": "readmission-backup"}} in pod(cronjob)[
            "volumes"
        ]
    claim = pick(objects, "PersistentVolumeClaim", "readmission-backup")
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_a_target_outside_of_the_cluster_needs_no_volume_and_gets_a_way_there() -> None:
    outside = {
        "backup": {
            "target": "s3://hospital/backups",
            "endpoint": "https://s3.example.org",
            "s3Secret": "backup-s3",
            "cidr": "10.1.2.3/32",
        }
    }
    objects = render("readmission", **outside)
    assert not [o for o in objects if o["kind"] == "PersistentVolumeClaim" and "backup" in o["metadata"]["name"]]
    container = pod(pick(objects, "CronJob", "readmission-backup"))["containers"][0]
    assert container["args"][1] == "s3://hospital/backups"
    environment = {entry["name"]: entry for entry in container["env"]}
    assert environment["READMISSION_BACKUP_S3_ENDPOINT"]["value"] == "https://s3.example.org"
    key = environment["READMISSION_BACKUP_S3_SECRET_KEY"]["valueFrom"]["secretKeyRef"]
    assert key == {"name": "backup-s3", "key": "secret-key"}
    policies = {o["metadata"]["name"]: o for o in render("foundation", **outside) if o["kind"] == "NetworkPolicy"}
    assert policies["backup-to-backups"]["spec"]["egress"] == [
        {"ports": [{"port": 443}], "to": [{"ipBlock": {"cidr": "10.1.2.3/32"}}]}
    ]
    assert {"backup-to-postgres", "backup-to-object-store", "postgres-from-backup"} <= policies.keys()


def test_every_secret_of_the_job_is_made_by_the_credentials_job() -> None:
    made = next(o["data"]["secrets.json"] for o in render("foundation") if "secrets.json" in o.get("data", {}))
    container = pod(pick(render("readmission"), "CronJob", "readmission-backup"))["containers"][0]
    names = {e["valueFrom"]["secretKeyRef"]["name"] for e in container["env"] if "valueFrom" in e}
    assert {"readmission-backup", "readmission-objects-backup", "readmission-patients"} <= names
    assert not [name for name in names if f'"{name}"' not in made]


def test_without_backups_nothing_of_them_is_left() -> None:
    off = {"backup": {"install": False}}
    assert not [o for o in render("readmission", **off) if "backup" in o["metadata"]["name"]]
    assert not [o for o in render("foundation", **off) if o["metadata"]["name"].startswith("backup-to")]


def test_no_user_of_the_object_store_may_do_everything_and_backups_may_delete_nothing() -> None:
    values = next(r.values for r in chartlib.releases("prod") if r.name == "minio")
    actions = {
        policy["name"]: {action for statement in policy["statements"] for action in statement["actions"]}
        for policy in values["policies"]
    }
    assert set(actions) == {"mlflow", "pipelines", "backup", "feed"}
    assert not [name for name, allowed in actions.items() if {"s3:*", "s3:DeleteBucket"} & allowed]
    assert not [action for action in actions["backup"] if "Delete" in action]
    assert {user["policy"] for user in values["users"]} == set(actions)


def test_with_the_clouds_identity_a_backup_needs_no_keys() -> None:
    role = {"example.org/role": "backup"}
    objects = render("readmission", objectStore={"auth": "identity", "roles": {"backup": role}})
    container = pod(pick(objects, "CronJob", "readmission-backup"))["containers"][0]
    assert "AWS_ACCESS_KEY_ID" not in {entry["name"] for entry in container["env"]}
    assert pick(objects, "ServiceAccount", "readmission-backup")["metadata"]["annotations"] == role
