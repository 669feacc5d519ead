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
        settings: where the database is.
        step: the verb.
        role: the step's own; it may insert here.

    Yields:
        What to call when the step found nothing to do.
    """
    began, said, result = time.monotonic(), list[str](), "failure"
    try:
        yield lambda: said.append("nothing to do")
        result = said[-1] if said else "success"
    finally:
        try:
            with transaction(settings, role) as cursor:
                cursor.execute(
                    "INSERT INTO monitoring.step_runs (step, started, result)"
                    " VALUES (%s, now() - make_interval(secs => %s), %s)",
                    (step, time.monotonic() - began, result),
                )
        except (UserError, psycopg2.Error) as error:
            # A step that failed for want of the database has said so itself.
            level = logging.DEBUG if result == "failure" else logging.WARNING
            log.log(level, "the run of %s is not recorded: %s", step, str(error).strip().splitlines()[0])
