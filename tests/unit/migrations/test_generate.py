"""The migration that a command writes: the columns of the contract that no migration has."""

import shutil
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from readmission import contract
from readmission.contract import Column
from readmission.contract.kinds import Integer, Level
from readmission.errors import UserError
from readmission.migrations import generate

PRESSURE = Column("blood_pressure", "Systolic blood pressure", "labs", Integer(40, 300), nullable=True, unit="mmHg")
SMOKER = Column("smoker", "Smoker", "patient", Level(("No", "Patient's word", "Yes")), assumed="No")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(generate.FOLDER, tmp_path / "migrations")
    return tmp_path / "migrations"


def test_the_migrations_of_the_repository_have_every_column(folder: Path) -> None:
    with pytest.raises(UserError, match="nothing to migrate"):
        generate.write_migration("nothing", folder)


def test_new_columns_come_as_one_revision_after_the_last(folder: Path) -> None:
    head = ScriptDirectory(str(folder)).get_current_head() or ""
    path = generate.write_migration("pressure", folder, [*contract.COLUMNS, PRESSURE, SMOKER])
    assert path.name == f"{int(head) + 1:04d}_pressure.py"
    newest = ScriptDirectory(str(folder)).get_revision("head")
    assert (newest.revision, newest.down_revision) == (path.name[:4], head)
    text = path.read_text()
    assert "ALTER TABLE raw.encounters ADD COLUMN \"blood_pressure\" text NOT NULL DEFAULT '?';" in text
    assert 'ALTER TABLE clean.encounters ADD COLUMN "blood_pressure" smallint;' in text
    assert "ALTER TABLE clean.encounters ADD COLUMN \"smoker\" text NOT NULL DEFAULT 'No';" in text
    with pytest.raises(UserError, match="nothing to migrate"):
        generate.write_migration("again", folder, [*contract.COLUMNS, PRESSURE, SMOKER])


@pytest.mark.parametrize("name", ["", "add column", "../evil"])
def test_a_name_that_is_no_file_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(UserError, match="file name"):
        generate.write_migration(name, folder, [*contract.COLUMNS, PRESSURE])
