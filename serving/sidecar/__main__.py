"""The one process beside the workers: brings models from the registry, carries the log to the database.

`python -m serving.sidecar`, started by the workers and started again when it dies. It holds a lock, so that a
state folder never has two. Workers need no network, no MLflow and no database because this process has them.
"""

import contextlib
import fcntl
import json
import logging
import os
import signal
import sys
import time
from datetime import datetime
from pathlib import Path

import psycopg2
from prometheus_client.multiprocess import mark_process_dead

from readmission import settings as configuration
from readmission.errors import UserError
from readmission.logs import configure_logging
from readmission.settings import Settings
from serving import metrics
from serving.predict.loaded_models import POKE
from serving.prediction_log import spool
from serving.prediction_log.spool import SUFFIX
from serving.sidecar import launch
from serving.sidecar.model_sync import ModelSync
from serving.sidecar.store import Store

_LOOK = 0.2
_BATCH = 2_000
#: Seconds that an outcome waits for its prediction before it is called unknown.
_PATIENCE = 3_600.0
log = logging.getLogger(__name__)


class Shipper:
    """Carry finished segments of the spool, and outcomes that came early, to the database.

    Args:
        settings: where the spool and the database are.
    """

    def __init__(self, settings: Settings) -> None:
        self.spool = settings.home / "spool"
        self.spool.mkdir(parents=True, exist_ok=True)
        self.waiting = self.spool / "feedback"
        self.waiting.mkdir(exist_ok=True)
        self._store = Store(settings)
        self._quiet_until = 0.0
        self._told = ""

    def ship(self) -> None:
        """Store every finished segment in order, and remove it; stop at the first failure and wait a little."""
        self._measure()
        if time.monotonic() < self._quiet_until:
            return
        try:
            for path in sorted(self.spool.glob(f"*{SUFFIX}")):
                self._segment(path)
            self._outcomes()
            self._told = ""
        except (psycopg2.Error, UserError) as error:
            self._quiet_until = time.monotonic() + 2.0
            told = str(error).strip().splitlines()[0]
            if told != self._told:
                log.warning("the database cannot be used, predictions wait in the spool: %s", told)
                self._told = told

    def _segment(self, path: Path) -> None:
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return  # a worker still writes it
            for entries in spool.frames(path):
                for start in range(0, len(entries), _BATCH):
                    part = entries[start : start + _BATCH]
                    self._store.add(part)
                    metrics.log_stored.inc(len(part))
            path.unlink()

    def _outcomes(self) -> None:
        for path in sorted(self.waiting.glob("*.json")):
            name, outcome, observed = json.loads(path.read_text())
            known = self._store.add_outcomes([(name, outcome, datetime.fromisoformat(observed))])
            if not known and time.time() - path.stat().st_mtime < _PATIENCE:
                continue
            metrics.feedback.labels("recorded" if known else "unknown").inc()
            path.unlink()

    def _measure(self) -> None:
        paths = sorted(self.spool.glob(f"*{SUFFIX}"))
        metrics.log_backlog.set(spool.size(self.spool))
        oldest = int(paths[0].name.partition("-")[0]) / 1e9 if paths else time.time()
        metrics.log_lag.set(max(0.0, time.time() - oldest))


def _bury(folder: Path) -> None:
    """Take away what dead workers left: their line in `workers/` and their share of the live gauges."""
    for path in (folder / "workers").glob("*.json"):
        if path.stem.isdigit() and not Path(f"/proc/{path.stem}").exists():
            path.unlink(missing_ok=True)
            _forget(path.stem)


def _forget(pid: str) -> None:
    if pid.isdigit() and "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        mark_process_dead(int(pid))  # type: ignore[no-untyped-call]


def _succeed(home: Path) -> None:
    """Take away the live gauges of the sidecar before this one, which would go on saying how things were."""
    memory = home / "sidecar.pid"
    if memory.exists():
        _forget(memory.read_text())
    memory.write_text(str(os.getpid()))


def main() -> None:
    """Work until the worker that started it is gone, then carry over what it left."""
    settings = configuration.load()
    configure_logging(settings.log_format)
    held = launch.lock(settings.home)
    if held is None:
        return
    _succeed(settings.home)
    # The server stops its children together with itself: this one goes last.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    with contextlib.suppress(OSError):
        os.nice(5)
    # Told, not asked for: a worker that dies at once would leave another parent.
    parent = int(sys.argv[1]) if len(sys.argv) > 1 else os.getppid()
    registry, shipper, process = ModelSync(settings), Shipper(settings), metrics.Process()
    poke, next_look = registry.folder / POKE, 0.0
    while os.getppid() == parent:
        if time.monotonic() >= next_look or poke.exists():
            poke.unlink(missing_ok=True)
            registry.look()
            _bury(registry.folder)
            process.flush()
            next_look = time.monotonic() + settings.reload_interval
        shipper.ship()
        time.sleep(_LOOK)
    shipper.ship()


if __name__ == "__main__":
    main()
