"""Analysts see masked views and nothing else."""

from pathlib import Path

import psycopg2
import pytest

from readmission.privacy.inventory import TABLES
from readmission.settings import Settings
from readmission.steps import ingest, process
from readmission.stores import postgres

VIEWS = ("batches", "encounters", "outcomes", "predictions", "quality", "drift", "models", "promotions")


@pytest.fixture
def filled(database: Settings, sample: Path) -> Settings:
    ingest.run(database, source=str(sample))
    process.run(database)
    return database


def ask(settings: Settings, text: str) -> list[tuple]:
    with postgres.transaction(settings, "analyst") as cursor:
        cursor.execute(text)
        return cursor.fetchall()


@pytest.mark.parametrize("table", [table.name for table in TABLES if not table.name.startswith("public.")])
def test_no_table_can_be_read(database: Settings, table: str) -> None:
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        ask(database, f"SELECT 1 FROM {table}")


@pytest.mark.parametrize("view", VIEWS)
def test_no_view_can_be_written(database: Settings, view: str) -> None:
    refusals = (psycopg2.errors.InsufficientPrivilege, psycopg2.errors.ObjectNotInPrerequisiteState)
    with pytest.raises(refusals):
        ask(database, f"DELETE FROM analyst.{view} RETURNING 1")


def test_views_hold_no_identifier(filled: Settings) -> None:
    columns = ask(
        filled,
        "SELECT a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
        " WHERE c.relnamespace = 'analyst'::regnamespace",
    )
    assert not {name for (name,) in columns} & {
        "encounter_id",
        "patient_nbr",
        "prediction_id",
        "inputs",
        "request_id",
        "content",
        "decided_by",
        "token",
    }


def test_groups_of_few_patients_are_left_out(filled: Settings) -> None:
    small = (
        "SELECT age, gender, coalesce(race, '?') FROM clean.encounters"
        " GROUP BY 1, 2, 3 HAVING count(DISTINCT patient_nbr) < 10"
    )
    with postgres.transaction(filled, "privacy") as cursor:
        cursor.execute(small)
        hidden = set(cursor.fetchall())
    assert hidden, "the sample has rare groups"
    shown = set(ask(filled, "SELECT DISTINCT age, gender, race FROM analyst.encounters"))
    assert shown and not shown & hidden
    assert ask(filled, "SELECT min(patients) >= 10, count(*) > 20 FROM analyst.outcomes") == [(True, True)]
