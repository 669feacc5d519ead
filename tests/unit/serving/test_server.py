"""The server's start: metric files in memory, and settings that it refuses."""

import os
import socket
from pathlib import Path

import pytest

from serving import server


def test_metric_files_lie_in_memory_one_folder_per_server(tmp_path: Path) -> None:
    folders = {server.metrics_folder(tmp_path / home, port, tmp_path) for home in ("a", "b") for port in (1, 2)}
    assert len(folders) == 4 and all(folder.parent == tmp_path for folder in folders)
    assert all(folder.stat().st_mode & 0o077 == 0 for folder in folders)


def test_without_memory_they_lie_in_the_state(tmp_path: Path) -> None:
    expected = tmp_path / "bentoml" / f"metrics-{os.getpid()}"
    assert server.metrics_folder(tmp_path, 1, tmp_path / "absent") == expected


def test_folders_of_servers_that_were_killed_go(tmp_path: Path) -> None:
    own = server.metrics_folder(tmp_path, 1, tmp_path)
    stem = own.name.removesuffix(str(os.getpid()))
    killed, running = tmp_path / f"{stem}4194305", tmp_path / f"{stem}1"  # no process has a number above 2^22
    killed.mkdir()
    running.mkdir()
    assert server.metrics_folder(tmp_path, 1, tmp_path) == own
    assert own.exists() and running.exists() and not killed.exists()


def test_a_folder_that_others_may_write_is_not_used(tmp_path: Path) -> None:
    server.metrics_folder(tmp_path, 1, tmp_path).chmod(0o777)
    assert server.metrics_folder(tmp_path, 1, tmp_path).parent == tmp_path / "bentoml"


@pytest.mark.parametrize("name", ["READMISSION_API_CERTIFICATE", "READMISSION_API_CERTIFICATE_KEY"])
def test_half_a_certificate_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("READMISSION_HOME", str(tmp_path))
    monkeypatch.setenv(name, str(tmp_path / "tls.pem"))
    with pytest.raises(SystemExit, match="belong together"):
        server.main([])


def test_a_busy_port_is_refused_with_its_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(SystemExit, match=f"READMISSION_API_PORT: port {port} on 127.0.0.1 cannot be opened"):
            server.refuse_busy_port("127.0.0.1", port)
    server.refuse_busy_port("127.0.0.1", port)
