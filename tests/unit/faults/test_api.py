"""API process of the faults: its environment, its start, its end."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from faults.api import Api, kill
from readmission.errors import UserError


def test_it_has_a_home_and_a_port_of_its_own(tmp_path: Path) -> None:
    first, second = Api(tmp_path / "a", {}), Api(tmp_path / "b", {"OTHER": "1"})
    assert first.port != second.port
    assert second.environment["READMISSION_HOME"] == str(tmp_path / "b")
    assert second.environment["OTHER"] == "1"
    assert not first.running()
    first.stop()
    first.kill()


def test_an_api_that_ends_at_its_start_is_an_error(tmp_path: Path) -> None:
    api = Api(tmp_path / "api", dict(os.environ) | {"READMISSION_API_WORKERS": "none"})
    with pytest.raises(UserError, match="ended at its start"):
        api.start()
    assert "READMISSION_API_WORKERS" in (tmp_path / "api.log").read_text()


def test_killing_takes_the_children_along(tmp_path: Path) -> None:
    api = Api(tmp_path / "api", {})
    program = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
    api.process = subprocess.Popen([sys.executable, "-c", program])
    first = psutil.Process(api.process.pid)
    while not (children := first.children()):
        pass
    api.kill()
    assert not api.running()
    psutil.wait_procs(children, timeout=10)
    assert not children[0].is_running() or children[0].status() == psutil.STATUS_ZOMBIE
    kill(api.process.pid)  # nothing happens
