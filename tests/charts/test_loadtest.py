"""The load test as a release of its own: a Job that fails its sync, with a report in the object store."""

import json

import chartlib
import yaml

CHOSEN = {"loadtest": {"install": True, "profile": "smoke"}}


def test_a_job_runs_the_profile_and_its_exit_code_fails_the_sync() -> None:
    [release] = [r for r in chartlib.releases("prod", **CHOSEN) if r.name == "loadtest"]
    assert release.namespace == "readmission"
    objects = chartlib.render(release, chartlib.CHARTS / "loadtest")
    assert {o["kind"] for o in objects} == {"Job", "ServiceAccount"}
    [job] = [o for o in objects if o["kind"] == "Job"]
    annotations = job["metadata"]["annotations"]
    assert annotations["helm.sh/hook"] == "post-install,post-upgrade"
    assert annotations["helm.sh/hook-delete-policy"] == "before-hook-creation"
    assert job["spec"]["backoffLimit"] == 0 and job["spec"]["template"]["spec"]["restartPolicy"] == "Never"
    [container] = job["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["python", "-m", "loadtest"]
    assert container["args"] == [
        "smoke",
        "--locust",
        "--host=http://readmission-inference:8080",
        "--upload=s3://readmission/loadtest",
    ]
    secrets = {e["name"]: e["valueFrom"]["secretKeyRef"]["name"] for e in container["env"] if "valueFrom" in e}
    assert secrets == {
        "LOCUST_API_KEY": "readmission-api-loadtest",
        "AWS_ACCESS_KEY_ID": "readmission-objects-loadtest",
        "AWS_SECRET_ACCESS_KEY": "readmission-objects-loadtest",
    }


def test_its_user_of_the_object_store_may_only_put_reports() -> None:
    by_name = {r.name: r for r in chartlib.releases("dev", **CHOSEN)}
    policies = {policy["name"]: policy["statements"] for policy in by_name["minio"].values["policies"]}
    assert policies["loadtest"] == [
        {"effect": "Allow", "resources": ["arn:aws:s3:::readmission/loadtest/*"], "actions": ["s3:PutObject"]}
    ]
    foundation = chartlib.render(by_name["foundation"], chartlib.CHARTS / "foundation")
    made = next(o["data"]["secrets.json"] for o in foundation if "secrets.json" in o.get("data", {}))
    secrets = {(s["namespace"], s["name"]): s["data"] for s in yaml.safe_load(made)}
    assert secrets["readmission", "readmission-objects-loadtest"]["secret-key"] == "{s3-loadtest}"
    assert secrets["readmission-data", "minio-users"]["loadtest"] == "{s3-loadtest}"
    flows = {o["metadata"]["name"] for o in foundation if o["kind"] == "NetworkPolicy"}
    assert {"loadtest-to-object-store", "loadtest-to-inference", "object-store-from-loadtest"} <= flows


def test_nobody_who_did_not_choose_it_has_anything_of_it() -> None:
    releases = chartlib.releases("prod")
    assert "loadtest" not in {r.name for r in releases}
    foundation = next(chartlib.render(r, chartlib.CHARTS / "foundation") for r in releases if r.name == "foundation")
    assert "s3-loadtest" not in json.dumps(foundation) and "loadtest-to-object-store" not in json.dumps(foundation)


def test_the_page_with_workers_is_a_choice_of_the_chart() -> None:
    kinds = [o["kind"] for o in chartlib.render_ours("loadtest", chartlib.alone("loadtest"))]
    assert kinds.count("Deployment") == 2 and "Job" not in kinds
