"""Migration of the columns that the contract has and the tables do not.

Run it as `python -m readmission.migrations.generate NAME`. The first migration and every generated one list the
columns they create as `RAW_COLUMNS`, so the difference needs no database. Alembic's autogenerate would need one, and
SQLAlchemy models of tables that no other code uses.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from alembic.script import ScriptDirectory

from readmission import contract
from readmission.contract import Column
from readmission.errors import UserError

FOLDER = Path(__file__).parent
_TEMPLATE = '''"""{sentence}"""

from alembic import op

revision = "{revision}"
down_revision = "{down_revision}"
branch_labels = None
depends_on = None

RAW_COLUMNS = [{names}]

STATEMENTS = """
{statements}
"""


def upgrade() -> None:
    """Add the columns to raw.encounters and clean.encounters."""
    op.execute(STATEMENTS)


def downgrade() -> None:
    """Refuse: there is no way back but a backup."""
    raise NotImplementedError("migrations go forward only; restore a backup to go back")
'''


def write_migration(name: str, folder: Path = FOLDER, columns: Sequence[Column] = contract.COLUMNS) -> Path:
    """Write the migration that adds the contract's new columns, and return its path.

    Args:
        name: Words for the file name, joined by underscores.
        folder: Alembic's folder, with `versions`.
        columns: The contract's columns.

    Raises:
        UserError: The tables have every column, or the name is not one for a file.
    """
    if not name.isidentifier():
        raise UserError(f"{name!r} cannot be part of a file name; use letters, digits and underscores.")
    script = ScriptDirectory(str(folder))
    head = script.get_current_head() or ""
    migrated = {column for migration in script.walk_revisions() for column in _columns_of(migration.module)}
    new = [column for column in columns if column.name not in migrated and column.name not in contract.IDENTIFIERS]
    if not new:
        raise UserError("The tables have every column of the contract: there is nothing to migrate.")
    revision = f"{int(head) + 1:04d}"
    path = folder / "versions" / f"{revision}_{name}.py"
    path.write_text(
        _TEMPLATE.format(
            sentence=f"Add the raw columns {', '.join(column.name for column in new)}.",
            revision=revision,
            down_revision=head,
            names=", ".join(f'"{column.name}"' for column in new),
            statements="\n".join(map(_statements, new)),
        )
    )
    return path


def _columns_of(module: object) -> Sequence[str]:
    columns: Sequence[str] = getattr(module, "RAW_COLUMNS", ())
    return columns


def _statements(column: Column) -> str:
    """Return the SQL that adds one column; rows that are there get what the contract assumes of an absent value."""
    assumed = column.text(None).replace("'", "''")
    kind = "text" if column.is_text else "smallint" if column.maximum < 2**15 else "integer"
    # Rows that are there may not know the value, so a clean column is NOT NULL only if the contract assumes one.
    default = f" NOT NULL DEFAULT '{assumed}'" if column.assumed is not None else ""
    lines = [
        f"""ALTER TABLE raw.encounters ADD COLUMN "{column.name}" text NOT NULL DEFAULT '{assumed}';""",
        f"""ALTER TABLE raw.encounters ALTER COLUMN "{column.name}" DROP DEFAULT;""",
        f"""ALTER TABLE clean.encounters ADD COLUMN "{column.name}" {kind}{default};""",
    ]
    if default:
        lines.append(f"""ALTER TABLE clean.encounters ALTER COLUMN "{column.name}" DROP DEFAULT;""")
    return "\n".join(lines)


def main() -> None:
    """Write the migration and print its path."""
    parser = argparse.ArgumentParser(description="Write the migration of the contract's new columns.")
    parser.add_argument("name", help="Words for the file name, such as add_blood_pressure.")
    try:
        sys.stdout.write(f"{write_migration(parser.parse_args().name)}\n")
    except UserError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
