"""The watch of the API's processes."""

import os
import socket
import subprocess
import sys

import pytest

from loadtest.processes import Watch, listener


def test_a_process_that_is_elsewhere_is_not_measured() -> None:
    watch = Watch(None)
    assert (watch.measure(), watch.spent(), watch.workers()) == (None, 0.0, [])


def test_memory_and_time_include_the_children() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        watch = Watch(os.getpid())
        assert child.pid in {process.pid for process in watch.workers()}
        measured = watch.measure()
        assert measured is not None and measured[1] > 5
        assert watch.spent() > 0
        child.communicate(b"\n")


@pytest.mark.parametrize("url", ["http://readmission.example.org", "http://10.1.2.3:8080"])
def test_a_server_on_another_machine_has_no_process(url: str) -> None:
    assert listener(url) is None


def test_the_server_on_a_port_of_this_machine_is_seen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert listener(f"http://127.0.0.1:{server.getsockname()[1]}") is not None
