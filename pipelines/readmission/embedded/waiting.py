"""Waiting for a part of the system, with its log in the message when it does not come."""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from readmission.embedded.component import Part
from readmission.embedded.supervisor import Supervisor
from readmission.errors import UserError
from readmission.polling import wait_until

log = logging.getLogger(__name__)


def wait_for(what: str, ready: Callable[[], bool], supervisor: Supervisor, part: str, seconds: float) -> None:
    """Wait for something that a part does, and log every ten seconds what for.

    Raises:
        UserError: The part keeps failing at its start, or the time is over. The message ends with the part's log.
    """
    next_message = time.monotonic() + 2

    def done() -> bool:
        nonlocal next_message
        if ready():
            return True
        if supervisor.states().get(part, ("STOPPED", None))[0] == "FATAL":
            raise UserError(f"Waiting for {what}: {part} failed at every start.")
        if time.monotonic() > next_message:
            log.info("waiting for %s ...", what)
            next_message = time.monotonic() + 10
        return False

    try:
        wait_until(done, seconds=seconds, failure=f"Waiting for {what}: not ready within {seconds:.0f} s.")
    except UserError as error:
        raise UserError(f"{error}\n{_tail(supervisor.log_of(part))}") from error


def wait_for_part(supervisor: Supervisor, part: Part) -> None:
    """Wait until a part is healthy."""
    wait_for(part.name, part.healthy, supervisor, part.name, seconds=300)


def _tail(path: Path) -> str:
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    return "\n".join([f"The end of {path}:", *lines[-15:]])
