"""An exporter whose port is taken."""

import socket
from pathlib import Path

import pytest

from readmission.errors import UserError
from readmission.monitoring import exporter
from tests.conftest import make_settings


def test_a_port_that_is_taken_is_named_with_its_setting(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = make_settings(tmp_path, exporter_port=taken.getsockname()[1])
        with pytest.raises(UserError, match=rf":{taken.getsockname()[1]} .*READMISSION_EXPORTER_PORT"):
            exporter.run(settings)
