"""What the inventory's places hold now: rows, oldest entry, retention, readers."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg2 import sql

from readmission.privacy.inventory import FILES, TABLES, Table, find_files
from readmission.settings import Settings
from readmission.stores import postgres

_READERS = """
SELECT coalesce(string_agg(replace(rolname, 'readmission_', ''), ', ' ORDER BY rolname), '') FROM pg_roles
WHERE rolname LIKE 'readmission\\_%%' AND has_schema_privilege(rolname, %(schema)s, 'USAGE')
  AND has_table_privilege(rolname, %(table)s, 'SELECT')"""


@dataclass(frozen=True, kw_only=True)
class Place:
    """One place with patients' data, as it is now.

    Attributes:
        name: Table, or pattern of files.
        contents: What it says of patients.
        count: Rows or files.
        oldest: Moment of the oldest one, ISO 8601; empty if there is none or it has none.
        retention: How long it is kept.
        readers: Who may read it.
    """

    name: str
    contents: str
    count: int
    oldest: str
    retention: str
    readers: str


def places(settings: Settings) -> Iterator[Place]:
    """Yield every place that holds data of patients: tables first, then files of this machine's state folder."""
    with postgres.transaction(settings, "privacy") as cursor:
        for table in TABLES:
            if table.contents:
                yield _table(settings, cursor, table)
    paths: dict[int, list[str]] = {}
    if settings.home.is_dir():
        for path in settings.home.rglob("*"):
            relative = path.relative_to(settings.home).as_posix()
            if (files := find_files(relative)) and files.contents and not relative.startswith("postgres"):
                paths.setdefault(id(files), []).append(relative)
    for files in FILES:
        if files.contents:
            yield Place(
                name=files.patterns[0],
                contents=files.contents,
                count=len(paths.get(id(files), ())),
                oldest=_oldest_file(settings, paths.get(id(files), [])),
                retention=_retention(settings, files.retention),
                readers=files.readers,
            )


def _table(settings: Settings, cursor: Any, table: Table) -> Place:
    schema, name = table.name.split(".")
    moment = sql.SQL("min({})").format(sql.Identifier(table.moment)) if table.moment else sql.SQL("NULL")
    cursor.execute(sql.SQL("SELECT count(*), {} FROM {}").format(moment, sql.Identifier(schema, name)))
    count, oldest = cursor.fetchone()
    cursor.execute(_READERS, {"schema": schema, "table": table.name})
    return Place(
        name=table.name,
        contents=table.contents,
        count=count,
        oldest=oldest.isoformat(timespec="seconds") if oldest else "",
        retention=_retention(settings, table.setting or ("until erased" if table.erase else "for ever")),
        readers=cursor.fetchone()[0],
    )


def _retention(settings: Settings, text: str) -> str:
    if not text.startswith("retention_"):
        return text
    days = settings.value(text)
    return f"{days:g} days" if days else "until erased"


def _oldest_file(settings: Settings, paths: list[str]) -> str:
    moments = [path.stat().st_mtime for name in paths if (path := settings.home / name).exists()]
    return datetime.fromtimestamp(min(moments), UTC).isoformat(timespec="seconds") if moments else ""
