"""The recipe of docs/backup.md for a PostgreSQL of one's own: back to a moment between two predictions."""

import os
import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import psycopg2

from readmission import polling
from readmission.embedded import pgserver
from readmission.settings import Settings
from readmission.steps import migrate
from tests.conftest import free_port, make_settings, wait_until

PAGE = (Path(__file__).parents[3] / "docs/backup.md").read_text().partition("### A PostgreSQL of your own")[2]
_INSERT = (
    "INSERT INTO serving.predictions (prediction_id, predicted_at, model_name, model_version, inputs, inputs_sha256,"
    " prediction, p_no, p_late, p_early, missing, latency_ms, request_id)"
    " VALUES (%(id)s, now(), 'm', '1', '{}', '', 'NO', 1, 0, 0, '{}', 1, 'r') RETURNING clock_timestamp()"
)


def lines(prefix: str, folder: Path) -> str:
    """Return the settings of the page that begin with a word, with a folder in the place of /mnt."""
    settings = re.findall(rf"^    ({prefix}\w+ = .+)$", PAGE, re.MULTILINE)
    return "\n".join(settings).replace("/mnt", str(folder)) + "\n"


@contextmanager
def server(settings: Settings) -> Iterator[None]:
    process = subprocess.Popen(pgserver.command(settings), cwd="/")
    try:
        wait_until(pgserver.accepts(settings), 60, process)
        yield
    finally:
        process.send_signal(2)
        process.wait(60)


def execute(settings: Settings, query: str, **values: object) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(
        host=settings.postgres.host,
        port=settings.postgres.port,
        user=settings.postgres.admin_user,
        password=settings.password("admin"),
        dbname=settings.postgres.database,
    )
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        fetched = list(cursor.fetchall())
    connection.close()
    return fetched


def predict(settings: Settings) -> tuple[str, datetime]:
    """Log a prediction; return its id and a moment after it."""
    name = str(uuid.uuid4())
    execute(settings, _INSERT, id=name)
    [(moment,)] = execute(settings, "SELECT clock_timestamp()")
    assert isinstance(moment, datetime)
    return name, moment


def recover(data: Path, folder: Path, moment: datetime) -> None:
    """Put the base backup into the place of a data folder, with what makes the server stop at the moment."""
    owner = data.stat()
    shutil.rmtree(data)
    shutil.copytree(folder / "base", data)
    for path in (data, *data.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)
    data.chmod(0o700)
    with (data / "postgresql.auto.conf").open("a") as file:
        file.write(re.sub(r"'\d{4}-.+'", f"'{moment.isoformat()}'", lines("re", folder)))
    (data / "recovery.signal").touch()


def test_the_recipe_brings_back_what_was_there_at_a_moment(tmp_path: Path) -> None:
    settings = make_settings(tmp_path / "home", postgres_port=free_port())
    settings.home.mkdir(exist_ok=True)
    archive, data = tmp_path / "archive", settings.home / "postgres"
    archive.mkdir()
    archive.chmod(0o777)
    pgserver.initialise(settings)
    with (data / "postgresql.auto.conf").open("a") as file:
        file.write(lines("archive_", tmp_path))
    with server(settings):
        migrate.run(settings)
        before_base, _ = predict(settings)
        [command] = re.findall(r"^    (pg_basebackup .+)$", PAGE, re.MULTILINE)
        command = command.replace("/mnt", str(tmp_path)).replace("db.example.org", settings.postgres.host)
        arguments = [*command.split(), f"--port={settings.postgres.port}"]
        environment = os.environ | {
            "PGPASSWORD": settings.password("admin"),
            "PATH": f"{pgserver.BINARIES}:{os.environ['PATH']}",
        }
        subprocess.run(arguments, env=environment, check=True)
        before_moment, moment = predict(settings)
        after_moment, _ = predict(settings)
        execute(settings, "DELETE FROM serving.predictions WHERE prediction_id = %(id)s RETURNING 1", id=before_base)
    recover(data, tmp_path, moment)
    with server(settings):
        polling.wait_until(
            lambda: execute(settings, "SELECT pg_is_in_recovery()") == [(False,)],
            seconds=60,
            failure="the server does not leave the recovery",
        )
        stored = {str(row[0]) for row in execute(settings, "SELECT prediction_id FROM serving.predictions")}
    assert stored == {before_base, before_moment}
    assert after_moment not in stored
