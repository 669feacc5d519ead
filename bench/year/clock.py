"""The simulated clock: the database's `now()` says what time it is in the simulated year.

Every step and every default of a table takes the time from the database. A function of the same name in a schema that
is searched first stands in for PostgreSQL's, in this database alone. The time stands still within a step, so that the
same seed gives the same year.

The API stamps its answers by its own clock, because it answers while the database is away. `back_date` moves them to
the moment at which the patient left: the id of a prediction begins with its time, so both are changed together.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg2
from psycopg2.extras import execute_values

from readmission.settings import Settings

_INSTALL = """
CREATE SCHEMA simulation;
GRANT USAGE ON SCHEMA simulation TO PUBLIC;
DO $$ BEGIN
  EXECUTE format('ALTER DATABASE %I SET search_path = simulation, pg_catalog, public', current_database());
END $$;
"""
_SET = """
CREATE OR REPLACE FUNCTION simulation.now() RETURNS timestamptz LANGUAGE sql STABLE
AS $$ SELECT {moment}::timestamptz $$;
CREATE OR REPLACE FUNCTION simulation.clock_timestamp() RETURNS timestamptz LANGUAGE sql STABLE
AS $$ SELECT {moment}::timestamptz $$;
"""
#: A default was bound to PostgreSQL's function when its table was made.
_DEFAULTS = r"""
SELECT format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT simulation.now()', d.adrelid::regclass, a.attname)
FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
WHERE pg_get_expr(d.adbin, d.adrelid) ~ '^(pg_catalog\.)?now\(\)$'
"""
_MOVE = """
UPDATE serving.predictions p SET prediction_id = moved.new, predicted_at = moved.at
FROM (VALUES %s) moved (old, new, at) WHERE p.prediction_id = moved.old
"""


@dataclass(frozen=True)
class Answered:
    """Answer of the API, and when its patient left.

    Attributes:
        prediction_id: As the API gave it.
        at: Simulated moment of the answer.
    """

    prediction_id: str
    at: datetime

    @property
    def milliseconds(self) -> int:
        """Return the simulated moment since 1970, as an id holds it."""
        return int(self.at.timestamp() * 1000)

    @property
    def simulated_id(self) -> str:
        """Return the id as it would be if the API had answered at the simulated moment."""
        stamp = f"{self.milliseconds:012x}"
        return f"{stamp[:8]}-{stamp[8:]}{self.prediction_id[13:]}"


class Clock:
    """The clock of one simulated system.

    Args:
        settings: Address of the database, which is migrated and of which nobody has taken the time yet.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def install(self, moment: datetime) -> None:
        """Let the database tell the simulated time from now on."""
        with administer(self._settings) as cursor:
            cursor.execute(_INSTALL)
            self._set(cursor, moment)
            cursor.execute(_DEFAULTS)
            for (statement,) in cursor.fetchall():
                cursor.execute(statement)

    def set(self, moment: datetime) -> None:
        """Set the time."""
        with administer(self._settings) as cursor:
            self._set(cursor, moment)

    def stored(self, answers: Sequence[Answered]) -> int:
        """Return how many answers are in the database under the ids that the API gave."""
        with administer(self._settings) as cursor:
            ids = [answer.prediction_id for answer in answers]
            cursor.execute(
                "SELECT count(*) FROM serving.predictions WHERE prediction_id = ANY(%(ids)s::uuid[])", {"ids": ids}
            )
            return int(cursor.fetchone()[0])

    def back_date(self, answers: Sequence[Answered]) -> None:
        """Move stored answers to their simulated moments."""
        rows = [(answer.prediction_id, answer.simulated_id, answer.at) for answer in answers]
        with administer(self._settings) as cursor:
            for month in sorted({f"{answer.at:%Y-%m-01}" for answer in answers}):
                cursor.execute("SELECT serving.ensure_month(%(month)s::date)", {"month": month})
            execute_values(cursor, _MOVE, rows, template="(%s::uuid, %s::uuid, %s::timestamptz)", page_size=5_000)

    @staticmethod
    def _set(cursor: Any, moment: datetime) -> None:
        cursor.execute(_SET.format(moment=f"'{moment.isoformat()}'"))


@contextlib.contextmanager
def administer(settings: Settings) -> Iterator[Any]:
    """Open a cursor in a transaction of the database's administrator."""
    connection = psycopg2.connect(
        host=settings.postgres.host,
        port=settings.postgres.port,
        dbname=settings.postgres.database,
        user=settings.postgres.admin_user,
        password=settings.password("admin"),
    )
    with contextlib.closing(connection), connection, connection.cursor() as cursor:
        yield cursor
