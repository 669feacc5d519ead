"""Adapters of the places where state lives: Postgres, the object store, MLflow."""

import contextlib
import io
import logging
import os
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import psycopg2
import pyarrow as pa
import pyarrow.csv
from psycopg2 import sql

from readmission.errors import UserError
from readmission.settings import Role, Settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

log = logging.getLogger(__name__)


@lru_cache(maxsize=32)
def _engine(url: str) -> "Engine":
    from sqlalchemy import NullPool, create_engine  # a second to import: only for those who use it

    # No pool: steps are short, and a held connection keeps others from moving or copying the database.
    return create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": 10})


def engine(settings: Settings, role: Role) -> "Engine":
    """Return the SQLAlchemy engine of one role's connections.

    Raises:
        UserError: the role's password is not set.
    """
    return _engine(settings.database_url(role))


@contextlib.contextmanager
def transaction(settings: Settings, role: Role) -> Iterator[Any]:
    """Open a psycopg2 cursor in a transaction: committed at the end, rolled back on any error.

    Raises:
        UserError: the database cannot be reached, or the role's password is not set or wrong.
    """
    try:
        connection = psycopg2.connect(
            host=settings.postgres_host,
            port=settings.postgres_port,
            dbname=settings.postgres_database,
            user=f"readmission_{role}",
            password=settings.password(role),
            connect_timeout=10,
        )
    except psycopg2.OperationalError as error:
        raise UserError(
            f"The database at {settings.postgres_host}:{settings.postgres_port} cannot be used by role "
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


class ObjectStore(Protocol):
    """Keep immutable objects by key."""

    def put(self, key: str, data: bytes) -> None:
        """Store an object whole, or not at all."""

    def get(self, key: str) -> bytes:
        """Return an object.

        Raises:
            KeyError: there is no such object.
        """

    def exists(self, key: str) -> bool:
        """Tell whether the object is there."""


class FolderStore:
    """Keep objects as files below a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, key: str, data: bytes) -> None:
        """Write a temporary file and rename it: a reader never sees half an object."""
        path = self._root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_bytes(data)
        temporary.replace(path)

    def get(self, key: str) -> bytes:
        """Read the file; KeyError when it is absent."""
        try:
            return (self._root / key).read_bytes()
        except FileNotFoundError as error:
            raise KeyError(key) from error

    def exists(self, key: str) -> bool:
        """Tell whether the file is there."""
        return (self._root / key).is_file()


class S3Store:
    """Keep objects in a bucket; credentials are boto3's own (environment, profile, role)."""

    def __init__(self, url: str, endpoint: str) -> None:
        import boto3  # half a second to import: only for those who use S3

        parts = urlsplit(url)
        self._bucket, self._prefix = parts.netloc, parts.path.strip("/")
        self._client = boto3.client("s3", endpoint_url=endpoint or None)

    def _key(self, key: str) -> str:
        return f"{self._prefix}/{key}" if self._prefix else key

    def put(self, key: str, data: bytes) -> None:
        """Upload an object."""
        self._client.put_object(Bucket=self._bucket, Key=self._key(key), Body=data)

    def get(self, key: str) -> bytes:
        """Download an object; KeyError when it is absent."""
        try:
            body = self._client.get_object(Bucket=self._bucket, Key=self._key(key))["Body"]
        except self._client.exceptions.NoSuchKey as error:
            raise KeyError(key) from error
        return bytes(body.read())

    def exists(self, key: str) -> bool:
        """Tell whether the bucket has the object."""
        found = self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._key(key), MaxKeys=1)
        return any(item["Key"] == self._key(key) for item in found.get("Contents", ()))


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


def objects(settings: Settings) -> ObjectStore:
    """Return the object store that the settings name."""
    if settings.objects.startswith("s3://"):
        return S3Store(settings.objects, settings.s3_endpoint)
    return FolderStore(Path(settings.objects))
