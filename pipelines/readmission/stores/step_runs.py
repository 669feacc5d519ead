"""Record of when each step ran and how it ended."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator

import psycopg2

from readmission.errors import UserError
from readmission.settings import Role, Settings
from readmission.stores.postgres import transaction

log = logging.getLogger(__name__)


@contextlib.contextmanager
def recorded(settings: Settings, step: str, role: Role) -> Iterator[Callable[[], None]]:
    """Record when a step ran and how it ended, in monitoring.step_runs; never fails the step.

    Args:
        settings: Address of the database.
        step: The verb.
        role: The step's own database role.

    Yields:
        A function to call if the step had nothing to do.
    """
    began, results, outcome = time.monotonic(), ["success"], "failure"
    try:
        yield lambda: results.append("nothing to do")
        outcome = results[-1]
    finally:
        try:
            with transaction(settings, role) as cursor:
                cursor.execute(
                    "INSERT INTO monitoring.step_runs (step, started, result)"
                    " VALUES (%(step)s, now() - make_interval(secs => %(seconds)s), %(result)s)",
                    {"step": step, "seconds": time.monotonic() - began, "result": outcome},
                )
        except (UserError, psycopg2.Error) as error:
            # A step that failed because it could not reach the database has reported that itself.
            level = logging.DEBUG if outcome == "failure" else logging.WARNING
            log.log(level, "the run of %s is not recorded: %s", step, str(error).strip().splitlines()[0])
