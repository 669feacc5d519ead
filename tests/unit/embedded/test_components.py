"""The list of parts and their ports."""

import os
import socket
from pathlib import Path

import pytest

from readmission.embedded.components import parts, refuse_busy_ports, refuse_moved_ports, refuse_open_doors
from readmission.errors import UserError
from tests.conftest import free_port, make_settings


def test_the_database_starts_first_and_every_port_has_its_own_setting(tmp_path: Path) -> None:
    listed = parts(make_settings(tmp_path))
    assert [part.name for part in listed] == ["postgres", "mlflow", "api", "ui"]
    assert len({part.port for part in listed}) == len(listed)
    assert {part.port_setting for part in listed} == {
        f"READMISSION_{name}_PORT" for name in ("POSTGRES", "MLFLOW", "API", "UI")
    }


def test_parts_of_the_running_supervisor_are_listed(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, prometheus_command="no-such-program")
    assert [part.name for part in parts(settings, {"exporter"})][-2:] == ["exporter", "board"]


def test_a_busy_port_is_refused_with_the_setting_that_moves_it(tmp_path: Path) -> None:
    ports = {f"{name}_port": free_port() for name in ("postgres", "mlflow", "api", "ui")}
    listed = parts(make_settings(tmp_path, **ports))
    refuse_busy_ports(listed)
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", ports["mlflow_port"]))
        busy.listen()
        with pytest.raises(UserError, match=f"Port {ports['mlflow_port']} .*mlflow.* READMISSION_MLFLOW_PORT="):
            refuse_busy_ports(listed)


def test_a_running_part_on_another_port_is_named_at_once(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        states = {"api": ("RUNNING", os.getpid()), "ui": ("STOPPED", None)}
        refuse_moved_ports(parts(make_settings(tmp_path, api_port=other.getsockname()[1])), states)
        port = free_port()
        with pytest.raises(UserError, match=f"api runs already, and not on port {port}.*READMISSION_API_PORT"):
            refuse_moved_ports(parts(make_settings(tmp_path, api_port=port)), states)


@pytest.mark.parametrize("part", ["api", "ui", "feed"])
def test_nothing_without_a_door_listens_beyond_this_machine(tmp_path: Path, part: str) -> None:
    refuse_open_doors(make_settings(tmp_path))
    refuse_open_doors(make_settings(tmp_path, **{f"{part}_host": "localhost"}))
    with pytest.raises(UserError, match=f"READMISSION_{part.upper()}_HOST=0.0.0.0: "):
        refuse_open_doors(make_settings(tmp_path, **{f"{part}_host": "0.0.0.0"}))


def test_jupyterlab_listens_on_this_machine_alone(tmp_path: Path) -> None:
    refuse_open_doors(make_settings(tmp_path, notebook_host="0.0.0.0"))
    with pytest.raises(UserError, match=r"READMISSION_NOTEBOOK_HOST=0\.0\.0\.0: .* ssh"):
        refuse_open_doors(make_settings(tmp_path, notebook=True, notebook_host="0.0.0.0"))


def test_an_api_with_keys_may_listen_beyond_this_machine(tmp_path: Path) -> None:
    refuse_open_doors(make_settings(tmp_path, api_host="0.0.0.0", api_keys=tmp_path / "keys"))
