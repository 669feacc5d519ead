"""Verbs that run one after another in one process."""

import json
import signal
import subprocess
import sys

import pytest

from readmission import runner


@pytest.mark.parametrize(("command_line", "code"), [(["--version"], 0), (["no-such-verb"], 2)])
def test_a_command_line_is_answered_with_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, command_line: list[str], code: int
) -> None:
    monkeypatch.setattr(sys, "argv", ["readmission"])
    handler = signal.getsignal(signal.SIGTERM)
    try:
        assert runner.run(command_line) == code
    finally:
        signal.signal(signal.SIGTERM, handler)


def test_answers_are_exit_codes_alone_and_the_process_ends_with_its_input() -> None:
    lines = "".join(json.dumps(command_line) + "\n" for command_line in (["--version"], ["no-such-verb"]))
    done = subprocess.run(
        [sys.executable, "-m", "readmission.runner", "down"], input=lines, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["0", "2"], done.stderr
    assert "readmission 0." in done.stderr, "what a verb prints goes to the log"
    assert done.returncode == 0
