"""supervisord, which restarts the parts, keeps their logs and stops them without leaving orphans."""

import configparser
import contextlib
import hashlib
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import SupervisorTransport

from readmission.embedded.component import Part
from readmission.errors import UserError
from readmission.polling import wait_until
from readmission.settings import Settings


class Supervisor:
    """Connection to the supervisord of one state folder.

    Args:
        settings: Names the state folder.
        suffix: Tells the supervisord that is to take the place of the folder's own from it, until `take_place`.
    """

    def __init__(self, settings: Settings, suffix: str = "") -> None:
        self._home = settings.home
        self._logs = settings.home / "logs"
        # Not below the state folder: a socket's path may have 108 characters at most.
        name = hashlib.sha256(str(settings.home).encode()).hexdigest()[:16]
        self._socket = Path(tempfile.gettempdir()) / f"readmission-{os.geteuid()}-{name}.sock{suffix}"
        self._pid = self._home / f"supervisord.pid{suffix}"
        self._config = self._home / "supervisord.conf"
        self._suffix = suffix

    @property
    def _rpc(self) -> Any:
        # A connection of its own for each call: a refused one cannot be used again.
        transport = SupervisorTransport(None, None, f"unix://{self._socket}")
        return ServerProxy("http://127.0.0.1", transport=transport).supervisor

    def running(self) -> bool:
        """Return whether supervisord answers."""
        try:
            self._rpc.getState()
        except (OSError, Fault):
            return False
        return True

    def was_launched(self) -> bool:
        """Return whether a supervisord was ever launched for this state folder."""
        return self._config.exists()

    def started_at(self) -> str:
        """Return when the running supervisord started, in local time; "unknown" if it has just ended."""
        try:
            written = self._pid.stat().st_mtime
        except FileNotFoundError:
            return "unknown"
        return f"{datetime.fromtimestamp(written):%H:%M on %d %B}"

    def launch(self, parts: Iterable[Part]) -> None:
        """Start supervisord with the parts known and none running.

        Raises:
            UserError: The part did not start; the message names its log.
        """
        self._logs.mkdir(parents=True, exist_ok=True)
        self._config.write_text(self._configuration(parts))
        with (self._logs / "supervisord.out").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "supervisor.supervisord", "--nodaemon", "--configuration", str(self._config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | {"READMISSION_HOME": str(self._home)},  # the parts run in another folder
                start_new_session=True,  # Ctrl-C in the terminal is for `up`, which stops the parts in order
            )
        failure = f"The supervisor did not start. See {self._logs / 'supervisord.out'}."

        def started() -> bool:
            if process.poll() is not None:
                raise UserError(failure)
            return self.running()

        wait_until(started, seconds=20, every=0.05, failure=failure)

    def add(self, parts: Iterable[Part]) -> None:
        """Add parts to a running supervisord that was launched without them; the others keep running."""
        parts, states = list(parts), self.states()
        if new := [part for part in parts if part.name not in states]:
            self._config.write_text(self._configuration(parts))
            self._rpc.reloadConfig()
            for part in new:
                self._rpc.addProcessGroup(part.name)

    def start(self, name: str) -> None:
        """Start one part. If it runs already, nothing happens."""
        with contextlib.suppress(Fault):
            self._rpc.startProcess(name, False)

    def stop(self, name: str) -> None:
        """Stop one part and wait until it has ended."""
        with contextlib.suppress(Fault):
            self._rpc.stopProcess(name)

    def states(self) -> dict[str, tuple[str, int | None]]:
        """Return state (RUNNING, FATAL, ...) and pid of each part, by name; empty if supervisord is not running."""
        try:
            return {p["name"]: (p["statename"], p["pid"] or None) for p in self._rpc.getAllProcessInfo()}
        except (OSError, Fault):
            return {}

    def shutdown(self, timeout: float = 180) -> None:
        """Stop every part, in the reverse of the start order, and supervisord itself."""
        if not self.running():
            return
        pid = int(self._rpc.getPID())
        for name in ("ui", "api"):
            self.stop(name)
        self._rpc.shutdown()
        failure = f"The supervisor (process {pid}) did not end in {timeout:.0f} s. See {self._logs}."
        wait_until(lambda: not _alive(pid), seconds=timeout, every=0.1, failure=failure)
        for path in (self._socket, self._pid):  # one that took another's place looks for those that it began with
            path.unlink(missing_ok=True)

    def take_place(self) -> None:
        """Become the supervisord of the state folder, in the place of the one that has ended."""
        self._socket = self._without_suffix(self._socket)
        self._pid = self._without_suffix(self._pid)

    def _without_suffix(self, path: Path) -> Path:
        return path.replace(path.with_name(path.name.removesuffix(self._suffix)))

    def log_of(self, name: str) -> Path:
        """Return the path of one part's log."""
        return self._logs / f"{name}.log"

    def _configuration(self, parts: Iterable[Part]) -> str:
        config = configparser.RawConfigParser()
        config["unix_http_server"] = {"file": str(self._socket), "chmod": "0700"}
        config["rpcinterface:supervisor"] = {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        }
        config["supervisord"] = {
            "logfile": str(self._logs / "supervisord.log"),
            "pidfile": str(self._pid),
            "childlogdir": str(self._logs),
            "silent": "true",
            **({"user": "root"} if os.geteuid() == 0 else {}),
        }
        for position, part in enumerate(parts):
            config[f"program:{part.name}"] = {
                "command": " ".join(_quote(word) for word in part.command),
                "directory": "/",
                "autostart": "false",
                "autorestart": "true",  # also after a clean exit: nobody asked for it
                "startsecs": "1",
                "startretries": "3",
                "stopsignal": part.stop_signal,
                "stopwaitsecs": "30",
                "stopasgroup": "false" if part.name == "postgres" else "true",
                "killasgroup": "true",
                "priority": str(position),
                "redirect_stderr": "true",
                "stdout_logfile": str(self.log_of(part.name)),
                "stdout_logfile_maxbytes": "10MB",
                "stdout_logfile_backups": "2",
                "environment": ",".join(f'{key}="{_escape(value)}"' for key, value in part.environment.items()),
            }
        text = io.StringIO()
        config.write(text)
        return text.getvalue()


def _escape(word: str) -> str:
    return word.replace("%", "%%")  # supervisord expands %(name)s


def _quote(word: str) -> str:
    return '"' + _escape(word).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")")[-1].split()[0] != "Z"
    except FileNotFoundError:
        return True  # the system has no /proc
