"""Create the databases, the roles and the tables, or bring them up to date."""

import contextlib
import logging
from collections.abc import Iterator
from typing import get_args

import psycopg2
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg2 import sql

from readmission.settings import OPTIONAL_ROLES, Role, Settings
from readmission.stores import postgres

log = logging.getLogger(__name__)

#: Who owns which database; MLflow's and Airflow's tables are their own affair.
OWNERS: dict[str, Role] = {"mlflow": "mlflow", "airflow": "airflow"}


def run(settings: Settings) -> None:
    """Create what is missing and migrate the tables forward; running it again changes nothing.

    Needs READMISSION_POSTGRES_PASSWORD_ADMIN, of a user who may create roles and databases, and the
    password of every role.
    """
    create_roles(settings)
    with _admin(settings) as cursor:
        for database, role in {settings.postgres.database: "owner", **OWNERS}.items():
            _ensure_database(cursor, database, role)
    upgrade(settings)


def create_roles(settings: Settings) -> None:
    """Create the roles that are missing, and set every role's password.

    A role that may be without a password cannot log in until it has one.
    """
    with _admin(settings) as cursor:
        for role in get_args(Role):
            optional = role in OPTIONAL_ROLES and settings.value(f"postgres_password_{role}") is None
            if optional:
                log.warning(
                    "%s is not set: nobody can log in as that role", f"READMISSION_POSTGRES_PASSWORD_{role.upper()}"
                )
            _ensure_role(cursor, role, None if optional else settings.password(role))


def upgrade(settings: Settings) -> None:
    """Migrate the tables of the readmission database to the newest revision, as their owner.

    Tables that a later version has migrated stay as they are: migrations only add, so this version works with them.
    """
    config = _config()
    with postgres.engine(settings, "owner").begin() as connection:
        context = MigrationContext.configure(connection, opts={"version_table_schema": "public"})
        current = context.get_current_revision()
        if current is not None and current not in revisions():
            log.warning("database %s is of a later version (%s) and stays so", settings.postgres.database, current)
            return
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    log.info("database %s is up to date", settings.postgres.database)


def revisions() -> set[str]:
    """Return the revisions of the tables that this version has migrations to."""
    return {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "readmission:migrations")
    return config


@contextlib.contextmanager
def _admin(settings: Settings) -> Iterator["psycopg2.extensions.cursor"]:
    with contextlib.closing(
        psycopg2.connect(
            host=settings.postgres.host,
            port=settings.postgres.port,
            dbname="postgres",
            user=settings.postgres.admin_user,
            password=settings.password("admin"),
        )
    ) as connection:
        connection.autocommit = True  # CREATE DATABASE knows no transaction
        with connection.cursor() as cursor:
            yield cursor


def _ensure_role(cursor: "psycopg2.extensions.cursor", role: str, password: str | None) -> None:
    name = f"readmission_{role}"
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %(name)s", {"name": name})
    verb = "ALTER" if cursor.fetchone() else "CREATE"
    right = sql.SQL("NOLOGIN") if password is None else sql.SQL("LOGIN PASSWORD {}").format(sql.Literal(password))
    cursor.execute(sql.SQL("{} ROLE {} {}").format(sql.SQL(verb), sql.Identifier(name), right))
    # An administrator who is not superuser must belong to a role to make it an owner.
    cursor.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(name)))


def _ensure_database(cursor: "psycopg2.extensions.cursor", database: str, role: str) -> None:
    name, owner = sql.Identifier(database), sql.Identifier(f"readmission_{role}")
    cursor.execute("SELECT 1 FROM pg_database WHERE datname = %(database)s", {"database": database})
    if not cursor.fetchone():
        cursor.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, owner))
        log.info("created database %s", database)
    cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
    if role == "owner":
        for member in set(get_args(Role)) - {"owner", *OWNERS.values()}:
            cursor.execute(
                sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}").format(
                    name, sql.Identifier(f"readmission_{member}")
                )
            )
