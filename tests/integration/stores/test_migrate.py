"""Migrations where the database is that of another version."""

import pytest

from readmission.settings import Settings
from readmission.steps import migrate
from readmission.stores import postgres


def revision(database: Settings) -> str:
    with postgres.transaction(database, "owner") as cursor:
        cursor.execute("SELECT version_num FROM public.alembic_version")
        return str(cursor.fetchone()[0])


def test_tables_of_a_later_version_stay_as_they_are(database: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """One step back: the previous version starts on what the next one has migrated."""
    assert revision(database) == max(migrate.revisions())
    with postgres.transaction(database, "owner") as cursor:
        cursor.execute("UPDATE public.alembic_version SET version_num = '9999'")
    migrate.upgrade(database)
    assert revision(database) == "9999"
    assert "of a later version (9999)" in caplog.text
