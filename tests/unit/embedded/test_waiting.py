"""Waiting for a part."""

from pathlib import Path

import pytest

from readmission.embedded.waiting import wait_for
from readmission.errors import UserError


class FakeSupervisor:
    """A supervisor of one part, with a log."""

    def __init__(self, folder: Path, state: str) -> None:
        self._log, self._state = folder / "api.log", state
        self._log.write_text("the reason\n")

    def states(self) -> dict[str, tuple[str, int | None]]:
        return {"api": (self._state, None)}

    def log_of(self, name: str) -> Path:
        return self._log


@pytest.mark.parametrize(("state", "sentence"), [("FATAL", "failed at every start"), ("RUNNING", "not ready within")])
def test_a_part_that_does_not_come_is_a_sentence_with_its_log(tmp_path: Path, state: str, sentence: str) -> None:
    with pytest.raises(UserError, match=f"Waiting for the API: .*{sentence}(.|\n)*the reason"):
        wait_for("the API", lambda: False, FakeSupervisor(tmp_path, state), "api", seconds=0.2)  # type: ignore[arg-type]


def test_what_is_ready_is_not_waited_for(tmp_path: Path) -> None:
    wait_for("the API", lambda: True, FakeSupervisor(tmp_path, "FATAL"), "api", seconds=0)  # type: ignore[arg-type]
