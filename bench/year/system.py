"""The embedded system of a simulated year: started as `readmission up` does, and driven verb by verb."""

import contextlib
import importlib
import io
import logging
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from bench.pipeline.servers import free_port
from bench.year.clock import Clock, administer
from readmission import cli
from readmission.embedded import components, pgserver, up, waiting
from readmission.embedded.supervisor import Supervisor
from readmission.errors import UserError
from readmission.polling import wait_until
from readmission.settings import Settings, load_settings
from readmission.steps import migrate
from readmission.stores import postgres

log = logging.getLogger(__name__)

_PORTS = ("POSTGRES", "MLFLOW", "API")
#: The demo takes no part in the year.
_LEFT_OUT = "ui"


@dataclass(frozen=True, kw_only=True)
class Done:
    """How a step ended.

    Attributes:
        result: What the step returned; None if it failed.
        failure: Sentence of its error; empty if there was none.
        output: What it printed.
    """

    result: Any = None
    failure: str = ""
    output: str = ""


class System:
    """Postgres, MLflow and the API in a folder and on ports of their own, with a simulated clock.

    Args:
        home: Folder that does not exist yet.
        seed: Of every random choice.
    """

    def __init__(self, home: Path, seed: int) -> None:
        home.mkdir(parents=True)
        home.chmod(0o755)  # Postgres runs as an unprivileged user.
        lines = [f"READMISSION_{name}_PORT={free_port()}" for name in _PORTS]
        # Every answer is on disk before it is sent, so that "answered" is a promise.
        lines += ["READMISSION_PREDICTION_LOG=sync", "READMISSION_RELOAD_INTERVAL=0.5", f"READMISSION_SEED={seed}"]
        # A hospital that looks at its model on Mondays does not train it anew for the same drift every Monday.
        lines.append("READMISSION_RETRAIN_COOLDOWN_HOURS=672")
        (home / "settings.env").write_text("\n".join(lines) + "\n")
        # The parts and the killed steps are processes of their own that read this folder's settings.
        os.environ.update(READMISSION_HOME=str(home))
        load_settings.cache_clear()
        self.settings: Settings = up.with_secrets(load_settings())
        self.clock = Clock(self.settings)
        #: Seconds by what they were spent on: a verb, or a part of the hospital's day.
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._supervisor = Supervisor(self.settings)
        self._parts = [part for part in components.parts(self.settings) if part.name != _LEFT_OUT]

    def start(self, moment: datetime) -> None:
        """Start the parts with an empty database, at a simulated moment.

        Raises:
            UserError: A part did not start; the message ends with its log.
        """
        self._supervisor.launch(self._parts)
        pgserver.initialise(self.settings)
        self.start_database()
        migrate.run(self.settings)
        self.clock.install(moment)
        for part in self._parts[1:]:
            self._supervisor.start(part.name)
        for part in self._parts[1:]:
            waiting.wait_for_part(self._supervisor, part)

    def stop(self) -> None:
        """Stop every part."""
        self._supervisor.shutdown()

    def start_database(self) -> None:
        """Start Postgres and wait until it answers."""
        self._supervisor.start("postgres")
        waiting.wait_for_part(self._supervisor, self._parts[0])

    def stop_database(self) -> None:
        """Stop Postgres, as an update of its machine would."""
        self._supervisor.stop("postgres")

    def run(self, verb: str, moment: datetime, **arguments: Any) -> Done:
        """Run one verb at a simulated moment, recorded as the command line records it.

        A refusal or failure that a person would read as a sentence is returned. Anything else is raised.
        """
        self.clock.set(moment)
        module = importlib.import_module(cli.VERBS[verb][0])
        output = io.StringIO()
        began, used = time.monotonic(), time.process_time()
        try:
            with (
                self.timed(verb),
                contextlib.redirect_stdout(output),
                cli.recorded(self.settings, verb) as nothing_to_do,
            ):
                result = module.run(self.settings, **arguments)
                if result == []:
                    nothing_to_do()
            done = Done(result=result, output=output.getvalue())
        except UserError as error:
            done = Done(failure=str(error), output=output.getvalue())
        seconds = f"{time.monotonic() - began:.1f} s, {time.process_time() - used:.1f} s of the processor"
        log.info("%s %s %s: %s\n%s%s", moment, verb, arguments, seconds, done.output, done.failure)
        return done

    @contextlib.contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Count the seconds of a block."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[what] += time.monotonic() - began

    def kill(self, verb: str, moment: datetime, *arguments: str, working: Callable[[], bool]) -> bool:
        """Start one verb as a process of its own and kill it with signal 9 while it works; say whether that happened.

        Args:
            verb: The step.
            moment: Simulated moment.
            arguments: Its options.
            working: Whether it has begun what must not be left half done.
        """
        self.clock.set(moment)
        command = [sys.executable, "-m", "readmission.cli", verb, *arguments]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while process.poll() is None and not working():
                time.sleep(0.02)
        finally:
            process.send_signal(signal.SIGKILL)
        return process.wait() == -signal.SIGKILL

    def query(self, text: str, **arguments: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query, as the role that monitors."""
        with postgres.transaction(self.settings, "monitor") as cursor:
            cursor.execute(text, arguments)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows

    def is_in_transaction(self, role: str) -> bool:
        """Whether a role has written something that is not committed yet."""
        with administer(self.settings) as cursor:
            cursor.execute(
                "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE usename = %(role)s AND backend_xid IS NOT NULL)",
                {"role": f"readmission_{role}"},
            )
            return bool(cursor.fetchone()[0])

    def is_locked(self) -> bool:
        """Whether somebody holds a lock of a training or a decision."""
        with administer(self.settings) as cursor:
            cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory')")
            return bool(cursor.fetchone()[0])

    def model_info(self) -> dict[str, Any]:
        """Return what the API says of the model that answers; empty if none does."""
        answer = httpx.get(f"{self.settings.api.base_url}/model-info", timeout=10)
        return dict(answer.json()) if answer.status_code == httpx.codes.OK else {}

    def wait(self, ready: Callable[[], bool], failure: str) -> None:
        """Wait a minute for something that a part does.

        Raises:
            UserError: It did not.
        """
        wait_until(ready, seconds=60, every=0.1, failure=failure)
