"""Rows, files and queries of the tests of ingest and process."""

import csv
import io
from pathlib import Path
from typing import Any

from readmission import contract
from readmission.settings import Role, Settings
from readmission.steps import ingest
from readmission.stores import postgres


def rows_of(path: Path, count: int = 20) -> list[dict[str, str]]:
    text = path.read_text().split("\n", 1)[1]
    return [row for row, _ in zip(csv.DictReader(io.StringIO(text)), range(count), strict=False)]


def as_csv(rows: list[dict[str, str]]) -> bytes:
    buffer = io.StringIO()
    times = [name for name in contract.TIME_NAMES if name in rows[0]]
    writer = csv.DictWriter(buffer, [*contract.COLUMN_NAMES, *times], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return b"# synthetic\n" + buffer.getvalue().encode()


def load(config: Settings, content: bytes, name: str = "rows.csv") -> None:
    path = config.home / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    ingest.run(config, source=str(path), every=True)


def ledger(config: Settings) -> list[tuple[int, ...]]:
    with postgres.transaction(config, "monitor") as cursor:
        cursor.execute("SELECT rows_read, accepted, quarantined, duplicate FROM raw.batches ORDER BY batch_id")
        return cursor.fetchall()


def query(config: Settings, text: str, role: Role = "monitor") -> list[tuple[Any, ...]]:
    with postgres.transaction(config, role) as cursor:
        cursor.execute(text)
        return cursor.fetchall()
