"""Connections to Postgres: engines, transactions and COPY."""

import contextlib
import io
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import psycopg2
import pyarrow as pa
import pyarrow.csv
from psycopg2 import sql

from readmission.errors import UserError
from readmission.settings import Role, Settings

if TYPE_CHECKING:
    from sqlalchemy import Engine


@lru_cache(maxsize=32)
def _engine(url: str) -> "Engine":
    from sqlalchemy import NullPool, create_engine  # a second to import: only for those who use it

    # No pool: steps are short, and a held connection keeps others from moving or copying the database.
    return create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": 10})


def engine(settings: Settings, role: Role) -> "Engine":
    """Return the SQLAlchemy engine of one role's connections.

    Raises:
        UserError: The role's password is not set.
    """
    return _engine(settings.database_url(role))


@contextlib.contextmanager
def transaction(settings: Settings, role: Role) -> Iterator[Any]:
    """Open a psycopg2 cursor in a transaction: committed at the end, rolled back on any error.

    Raises:
        UserError: The database cannot be reached, or the role's password is not set or wrong.
    """
    try:
        connection = psycopg2.connect(
            host=settings.postgres.host,
            port=settings.postgres.port,
            dbname=settings.postgres.database,
            user=f"readmission_{role}",
            password=settings.password(role),
            connect_timeout=10,
        )
    except psycopg2.OperationalError as error:
        raise UserError(
            f"The database at {settings.postgres.host}:{settings.postgres.port} cannot be used by role "
            f"readmission_{role}: {str(error).strip().splitlines()[-1]} (is the system up? `readmission status`)"
        ) from error
    with contextlib.closing(connection), connection, connection.cursor() as cursor:
        yield cursor


def copy_in(cursor: Any, table: str, data: pa.Table) -> None:
    """Load an Arrow table by COPY; its column names are the target's, nulls are NULL."""
    schema, _, name = table.rpartition(".")
    buffer = io.BytesIO()
    pyarrow.csv.write_csv(data, buffer, pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed"))
    buffer.seek(0)
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(
        sql.Identifier(*filter(None, (schema, name))),
        sql.SQL(", ").join(map(sql.Identifier, data.column_names)),
    )
    cursor.copy_expert(statement, buffer)


def copy_out(cursor: Any, query: sql.Composable | str) -> io.BytesIO:
    """Return a query's rows as csv with a header, nulls as nothing."""
    buffer = io.BytesIO()
    text = query if isinstance(query, sql.Composable) else sql.SQL(query)
    cursor.copy_expert(sql.SQL("COPY ({}) TO STDOUT (FORMAT csv, HEADER)").format(text), buffer)
    buffer.seek(0)
    return buffer
