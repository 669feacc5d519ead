"""Databases of a backup: dumped in one snapshot, restored beside the live ones, swapped by rename."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql

from readmission.backup.programs import Programs, run_program
from readmission.errors import UserError
from readmission.polling import wait_until
from readmission.settings import Settings
from readmission.steps.migrate import OWNERS

#: Suffixes of a database that is being restored, and of one that a restore has replaced.
STAGED, REPLACED = "_restoring", "_replaced"
#: Key of the advisory lock that a backup or restore holds: one at a time on a server.
_LOCK = 8_150_420_117
_TABLES = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
ORDER BY 1, 2"""
#: Seconds that clients get to go: the server knows a moment later than they that they have disconnected.
_PATIENCE = 2.0
_CLIENTS = """
SELECT datname, usename, coalesce(nullif(application_name, ''), 'unnamed'), count(*) FROM pg_stat_activity
WHERE datname = ANY(%(names)s) AND backend_type = 'client backend' AND pid <> pg_backend_pid()
GROUP BY 1, 2, 3 ORDER BY 1, 2"""


@dataclass(frozen=True, kw_only=True)
class DatabaseSnapshot:
    """Snapshot of one database that a dump can be made of."""

    name: str
    cursor: Any
    exported: str


def names(settings: Settings) -> dict[str, str]:
    """Return the name of each database on the server, by its name in a backup."""
    return {"readmission": settings.postgres.database, **{name: name for name in OWNERS}}


def owner(database: str) -> str:
    """Return the role that owns a database, by its name in a backup."""
    return f"readmission_{OWNERS.get(database, 'owner')}"


def connect(settings: Settings, database: str = "postgres") -> Any:
    """Connect as the administrator.

    Raises:
        UserError: The server cannot be used.
    """
    try:
        return psycopg2.connect(
            host=settings.postgres.host,
            port=settings.postgres.port,
            dbname=database,
            connect_timeout=10,
            user=settings.postgres.admin_user,
            password=settings.password("admin"),
            application_name="readmission backup",
        )
    except psycopg2.OperationalError as error:
        raise UserError(
            f"The database server at {settings.postgres.host}:{settings.postgres.port} cannot be used: "
            f"{str(error).strip().splitlines()[-1]}"
        ) from error


@contextlib.contextmanager
def administer(settings: Settings) -> Iterator[Any]:
    """Give a cursor of the administrator that commits each statement, and keep other backups and restores out.

    Raises:
        UserError: Another backup or restore runs, or the server cannot be used.
    """
    with contextlib.closing(connect(settings)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%(key)s)", {"key": _LOCK})
            if not cursor.fetchone()[0]:
                raise UserError("Another backup or restore runs on this database server; wait until it has finished.")
            yield cursor


def existing(cursor: Any, candidates: Mapping[str, str]) -> dict[str, str]:
    """Return those databases that exist on the server."""
    cursor.execute("SELECT datname FROM pg_database WHERE datname = ANY(%(names)s)", {"names": [*candidates.values()]})
    present = {row[0] for row in cursor.fetchall()}
    return {key: name for key, name in candidates.items() if name in present}


def server_major(cursor: Any) -> int:
    """Return the major version of the server."""
    cursor.execute("SHOW server_version_num")
    return int(cursor.fetchone()[0]) // 10_000


@contextlib.contextmanager
def take_snapshot(settings: Settings, database: str) -> Iterator[DatabaseSnapshot]:
    """Read-only snapshot of a database, from which rows are counted and which is dumped."""
    with contextlib.closing(connect(settings, database)) as connection:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_export_snapshot()")
            yield DatabaseSnapshot(name=database, cursor=cursor, exported=cursor.fetchone()[0])


def count_rows(cursor: Any) -> dict[str, int]:
    """Count the rows of every table, as "schema.table"; of a partitioned one those of its partitions."""
    cursor.execute(_TABLES)
    counts = {}
    for schema, table in cursor.fetchall():
        cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table)))
        counts[f"{schema}.{table}"] = int(cursor.fetchone()[0])
    return counts


def dump(settings: Settings, programs: Programs, snapshot: DatabaseSnapshot, path: Path) -> None:
    """Write a snapshot as an archive of pg_dump.

    Raises:
        UserError: pg_dump failed.
    """
    options = ["--format=custom", "--compress=1", "--lock-wait-timeout=60s", f"--snapshot={snapshot.exported}"]
    run_program(
        settings,
        [str(programs.folder / "pg_dump"), *options, f"--file={path}", f"--dbname={snapshot.name}"],
        f"Database {snapshot.name} was not dumped",
    )


def stage(settings: Settings, programs: Programs, cursor: Any, path: Path, database: str) -> str:
    """Restore an archive into a new database beside the live one; return the new one's name.

    Args:
        settings: Server and administrator.
        programs: Programs of PostgreSQL, for `pg_restore`.
        cursor: Administrator's, outside a transaction.
        path: Archive.
        database: Its name in a backup.

    Raises:
        UserError: pg_restore failed.
    """
    name = names(settings)[database] + STAGED
    drop(cursor, name)  # what a restore that was killed has left
    cursor.execute(
        sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0").format(
            sql.Identifier(name), sql.Identifier(owner(database))
        )
    )
    cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
    options = ["--exit-on-error", f"--jobs={min(4, os.cpu_count() or 1)}", f"--dbname={name}"]
    run_program(
        settings,
        [str(programs.folder / "pg_restore"), *options, str(path)],
        f"Database {database} was not restored",
    )
    with contextlib.closing(connect(settings, name)) as connection:
        connection.autocommit = True
        connection.cursor().execute("ANALYZE")  # archives hold no statistics, without which queries crawl
    return name


def drop(cursor: Any, name: str) -> None:
    """Drop a database that nobody should be using; nothing happens if it is absent."""
    cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def clients(cursor: Any, databases: Mapping[str, str]) -> list[str]:
    """Describe who is connected to the databases."""
    cursor.execute(_CLIENTS, {"names": [*databases.values()]})
    return [f"{user} ({program}, {count} on {database})" for database, user, program, count in cursor.fetchall()]


def refuse_clients(cursor: Any, databases: Mapping[str, str]) -> None:
    """Wait a moment until nobody is connected to the databases.

    Raises:
        UserError: Somebody stays connected.
    """
    connected: list[str] = []

    def is_free() -> bool:
        connected[:] = clients(cursor, databases)
        return not connected

    wait_until(
        is_free,
        seconds=_PATIENCE,
        every=0.1,
        failure=lambda: (
            f"The databases are in use by {', '.join(connected)}. Stop the API, Airflow, MLflow and the "
            "exporter (on a cluster: scale them to 0), then restore. Nothing was replaced."
        ),
    )


def swap(settings: Settings, databases: Mapping[str, str]) -> None:
    """Put staged databases in the place of the live ones, all in one transaction.

    Args:
        settings: Server and administrator.
        databases: Live names by name in a backup; each has a staged database beside it.

    Raises:
        UserError: Somebody is connected. Nothing was replaced.
    """
    with contextlib.closing(connect(settings)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            present = existing(cursor, databases)
            for name in databases.values():
                drop(cursor, name + REPLACED)
        connection.autocommit = False
        try:
            with connection, connection.cursor() as cursor:
                for key, name in databases.items():
                    if key in present:
                        _rename(cursor, name, name + REPLACED)
                    _rename(cursor, name + STAGED, name)
        except psycopg2.errors.ObjectInUse as error:
            raise UserError("A client has connected meanwhile; nothing was replaced. Stop it and try again.") from error


def _rename(cursor: Any, before: str, after: str) -> None:
    cursor.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(before), sql.Identifier(after)))
