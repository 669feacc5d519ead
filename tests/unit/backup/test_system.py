"""Where there is no embedded system, none of its programs is needed."""

import sys
from pathlib import Path

import pytest

from readmission.backup import system
from readmission.settings import Settings


def test_a_cluster_restores_without_the_programs_of_the_embedded_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("supervisor", "supervisor.xmlrpc", "readmission.embedded.supervisor"):
        monkeypatch.setitem(sys.modules, name, None)
    settings = Settings(home=tmp_path, postgres_password_admin="x" * 12)
    assert not system.is_embedded(settings)
    system.refuse_running(settings)
