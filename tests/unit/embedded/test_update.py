"""Parts of `readmission update`; tests/system/test_update.py updates a whole system under requests."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from readmission.embedded import update
from readmission.embedded.components import parts
from readmission.errors import UserError
from serving.sidecar import launch
from tests.conftest import make_settings


def test_without_a_running_system_there_is_nothing_to_update(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"No system is running here .* `readmission up` starts it"):
        update.run(make_settings(tmp_path))


def test_only_the_api_is_told_whom_it_succeeds(tmp_path: Path) -> None:
    [api] = [part for part in parts(make_settings(tmp_path)) if part.name == "api"]
    assert update.succeeding(api, 17).command == [*api.command, "--take-over", "17"]


def test_every_worker_of_the_new_api_must_serve(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, api_workers=2)
    folder = settings.home / "models" / settings.mlflow.model_name / "workers"
    folder.mkdir(parents=True)

    def write(pid: int, **values: str) -> None:
        content = {"pid": pid, "champion": "3", "challenger": "", "error": ""} | values
        (folder / f"{pid}.json").write_text(json.dumps(content))

    workers = [subprocess.Popen(["sleep", "60"]) for _ in range(2)]
    try:
        write(os.getppid())  # a worker of the old API
        write(workers[0].pid)
        assert not update.serves(settings, os.getpid())
        write(workers[1].pid, champion="")
        assert not update.serves(settings, os.getpid())
        write(workers[1].pid)
        assert update.serves(settings, os.getpid())
        assert not update.serves(settings, None)
        write(workers[1].pid, error="version 3 is not served: it is not signed")
        with pytest.raises(UserError, match="does not serve the model of the running system: version 3 is not served"):
            update.serves(settings, os.getpid())
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


_SIDECAR = """
import fcntl, sys
with open(sys.argv[1], "ab") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    print(flush=True)
    sys.stdin.read()
"""


def test_no_sidecar_runs_while_two_apis_do(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    settings.home.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-c", _SIDECAR, str(settings.home / update.SIDECAR_LOCK), "serving.sidecar"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as sidecar:
        assert sidecar.stdout is not None and sidecar.stdout.readline() and launch.lock(settings.home) is None
        with update.without_sidecar(settings, os.getpid()):
            assert sidecar.wait(10) == -9
            assert launch.lock(settings.home) is None
    free = launch.lock(settings.home)
    assert free is not None
    free.close()
