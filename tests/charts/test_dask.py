"""Dask as a release of its own: on the steps' image, encrypted, and with the ways open that it needs."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import chartlib
import pytest

from tests.conftest import free_port

CHOSEN = {"dask": {"install": True, "workers": 3}}


@pytest.fixture(scope="module")
def objects() -> dict[str, list[dict[str, Any]]]:
    by_name = {r.name: r for r in chartlib.releases("prod", **CHOSEN)}
    assert by_name["dask"].namespace == "pipelines"
    names = {"foundation": "foundation", "dask": "dask"}
    return {name: chartlib.render(by_name[name], chartlib.CHARTS / chart) for name, chart in names.items()}


def deployment(objects: dict[str, list[dict[str, Any]]], part: str) -> dict[str, Any]:
    [item] = [o for o in objects["dask"] if o["kind"] == "Deployment" and o["metadata"]["name"] == f"dask-{part}"]
    return item


def test_scheduler_and_workers_run_the_image_of_the_steps_with_one_certificate(
    objects: dict[str, list[dict[str, Any]]],
) -> None:
    assert deployment(objects, "worker")["spec"]["replicas"] == 3
    for part in ("scheduler", "worker"):
        pod = deployment(objects, part)["spec"]["template"]["spec"]
        [container] = pod["containers"]
        assert container["image"].split("/")[-1].startswith("pipeline:")
        assert {"name": "tls", "secret": {"secretName": "dask-tls"}} in pod["volumes"]
        assert {"name": "tls", "mountPath": "/etc/readmission/dask", "readOnly": True} in container["volumeMounts"]
        variables = {e["name"]: e.get("value") for e in container["env"]}
        assert variables["DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION"] == "True"
        assert "--protocol=tls" in container["args"]
    [worker] = deployment(objects, "worker")["spec"]["template"]["spec"]["containers"]
    assert worker["args"][0] == "tls://dask-scheduler:8786" and f"--memory-limit={2 * 2**30}" in worker["args"]
    assert worker["envFrom"] == [{"configMapRef": {"name": "readmission-settings"}}]
    assert "READMISSION_POSTGRES_PASSWORD" not in str(objects["dask"])


def test_the_steps_find_the_scheduler_and_have_the_certificate(objects: dict[str, list[dict[str, Any]]]) -> None:
    [settings] = [o["data"] for o in objects["foundation"] if o["metadata"]["name"] == "readmission-settings"]
    assert settings["READMISSION_ENGINE"] == "dask"
    assert settings["READMISSION_DASK_SCHEDULER"] == "tls://dask-scheduler.pipelines:8786"
    [service] = [o for o in objects["dask"] if o["kind"] == "Service"]
    assert (service["metadata"]["name"], service["spec"]["ports"][0]["port"]) == ("dask-scheduler", 8786)
    airflow = next(r.values for r in chartlib.releases("prod", **CHOSEN) if r.name == "airflow")
    assert airflow["config"]["readmission"]["dask_tls"] == "dask-tls"
    without = next(r.values for r in chartlib.releases("prod") if r.name == "airflow")
    assert without["config"]["readmission"]["dask_tls"] == ""


def test_only_the_ways_that_dask_needs_are_open(objects: dict[str, list[dict[str, Any]]]) -> None:
    policies = {o["metadata"]["name"] for o in objects["foundation"] if o["kind"] == "NetworkPolicy"}
    dask = {name for name in policies if "dask" in name}
    pairs = {("steps", "dask-scheduler"), ("dask-workers", "dask-scheduler")}
    pairs |= {(caller, "dask-workers") for caller in ("steps", "dask-scheduler", "dask-workers")}
    both = {name for caller, callee in pairs for name in (f"{caller}-to-{callee}", f"{callee}-from-{caller}")}
    outside = {f"dask-workers-to-{store}" for store in ("postgres", "object-store")}
    assert dask == both | outside | {"postgres-from-dask-workers", "object-store-from-dask-workers"}


def certified(folder: Path) -> None:
    """Make a certificate as docs/scale.md does."""
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=dask"]
    files = ["-keyout", str(folder / "tls.key"), "-out", str(folder / "tls.crt")]
    subprocess.run([*request, *files], check=True, capture_output=True)
    (folder / "ca.crt").write_bytes((folder / "tls.crt").read_bytes())


def start(container: dict[str, Any], folder: Path, port: int) -> tuple["subprocess.Popen[bytes]", dict[str, str]]:
    """Start a container's command on the loopback, with its variables; return both."""
    variables = {e["name"]: e["value"] for e in container["env"] if e["name"].startswith("DASK")}
    here = os.environ | {k: v.replace("/etc/readmission/dask", str(folder)) for k, v in variables.items()}
    text = " ".join(container["args"]).replace("dask-scheduler:8786", f"127.0.0.1:{port}")
    text = text.replace("--port=8786", f"--port={port} --host=127.0.0.1").replace("/tmp/dask", f"{folder}/dask")
    command = [sys.executable, *container["command"][1:], *text.split()]
    return subprocess.Popen(command, env=here), here


CLIENT = """
import sys
from distributed import Client
with Client(sys.argv[1], timeout=int(sys.argv[2])) as client:
    print(client.submit(sum, [1, 2, 3]).result(60))
"""


@pytest.mark.timeout(180)
def test_scheduler_and_worker_of_the_chart_work_for_who_has_the_certificate(
    objects: dict[str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    """Run both by the very commands and variables of the chart, on the loopback."""
    certified(tmp_path)
    port, processes = free_port(), []
    try:
        for part in ("scheduler", "worker"):
            [container] = deployment(objects, part)["spec"]["template"]["spec"]["containers"]
            process, environment = start(container, tmp_path, port)
            processes.append(process)
        command = [sys.executable, "-c", CLIENT]
        ask = [*command, f"tls://127.0.0.1:{port}", "60"]
        done = subprocess.run(ask, env=environment, capture_output=True, text=True, check=False)
        assert done.stdout.strip() == "6", done.stderr[-2000:]
        stranger = subprocess.run([*command, f"tcp://127.0.0.1:{port}", "5"], capture_output=True, check=False)
        assert stranger.returncode != 0
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(30)
