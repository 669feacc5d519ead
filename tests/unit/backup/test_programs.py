"""The client programs that suit a server are taken; those that do not are named."""

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
