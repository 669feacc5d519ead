"""The one process beside the workers: it downloads models from the registry and stores the log in the database.

`python -m serving.sidecar` is started by the workers, and started again when it dies. It takes a lock, so that a
state folder never has two. Thanks to it, workers need no network, no MLflow and no database.
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

from readmission.errors import UserError
from readmission.logs import configure_logging
from readmission.settings import Settings, load_settings
from serving import metrics
from serving.predict.loaded_models import POKE
from serving.prediction_log import spool
from serving.prediction_log.spool import SUFFIX
from serving.sidecar import launch
from serving.sidecar.model_sync import ModelSync
from serving.sidecar.store import Store

_POLL = 0.2
_BATCH = 2_000
#: Seconds that an outcome waits for its prediction before it counts as unknown.
_PATIENCE = 3_600.0
log = logging.getLogger(__name__)


class Shipper:
    """Transport of finished segments of the spool, and of outcomes that came early, to the database.

    Args:
        settings: Where the spool and the database are.
    """

    def __init__(self, settings: Settings) -> None:
        self.spool = settings.home / "spool"
        self.spool.mkdir(parents=True, exist_ok=True)
        self.waiting = self.spool / "feedback"
        self.waiting.mkdir(exist_ok=True)
        self._store = Store(settings)
        self._quiet_until = 0.0
        self._warned = ""

    def ship(self) -> None:
        """Store every finished segment in order and delete it; after a failure, pause for two seconds."""
        self._measure()
        if time.monotonic() < self._quiet_until:
            return
        try:
            for path in sorted(self.spool.glob(f"*{SUFFIX}")):
                self._segment(path)
            self._outcomes()
            self._warned = ""
        except (psycopg2.Error, UserError) as error:
            self._quiet_until = time.monotonic() + 2.0
            reason = str(error).strip().splitlines()[0]
            if reason != self._warned:
                log.warning("the database is not available, predictions wait in the spool: %s", reason)
                self._warned = reason

    def _segment(self, path: Path) -> None:
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return  # a worker is still writing it
            for entries in spool.frames(path):
                for start in range(0, len(entries), _BATCH):
                    part = entries[start : start + _BATCH]
                    self._store.add(part)
                    metrics.log_stored.inc(len(part))
            path.unlink()

    def _outcomes(self) -> None:
        for path in sorted(self.waiting.glob("*.json")):
            prediction_id, outcome, observed = json.loads(path.read_text())
            stored = self._store.add_outcomes([(prediction_id, outcome, datetime.fromisoformat(observed))])
            if not stored and time.time() - path.stat().st_mtime < _PATIENCE:
                continue
            metrics.feedback.labels("recorded" if stored else "unknown").inc()
            path.unlink()

    def _measure(self) -> None:
        paths = sorted(self.spool.glob(f"*{SUFFIX}"))
        metrics.log_backlog.set(spool.size(self.spool))
        oldest = int(paths[0].name.partition("-")[0]) / 1e9 if paths else time.time()
        metrics.log_lag.set(max(0.0, time.time() - oldest))


def _clean_up(folder: Path) -> None:
    """Delete what dead workers left: their file in `workers/` and their share of the live gauges."""
    for path in (folder / "workers").glob("*.json"):
        if path.stem.isdigit() and not Path(f"/proc/{path.stem}").exists():
            path.unlink(missing_ok=True)
            _forget_gauges(path.stem)


def _forget_gauges(pid: str) -> None:
    if pid.isdigit() and "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        mark_process_dead(int(pid))  # type: ignore[no-untyped-call]


def _replace_predecessor(home: Path) -> None:
    """Delete the live gauges of the sidecar before this one, whose last values would stay."""
    pid_file = home / "sidecar.pid"
    if pid_file.exists():
        _forget_gauges(pid_file.read_text())
    pid_file.write_text(str(os.getpid()))


def main() -> None:
    """Work until the worker that started this process is gone, then store what it left."""
    settings = load_settings()
    configure_logging(settings.log_format)
    held = launch.lock(settings.home)
    if held is None:
        return
    _replace_predecessor(settings.home)
    # The server stops its children together with itself; this one must end last.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    with contextlib.suppress(OSError):
        os.nice(5)
    # Passed as an argument: if the worker dies at once, getppid() would name another parent.
    parent = int(sys.argv[1]) if len(sys.argv) > 1 else os.getppid()
    models, shipper, process = ModelSync(settings), Shipper(settings), metrics.Process()
    poke, next_poll = models.folder / POKE, 0.0
    while os.getppid() == parent:
        if time.monotonic() >= next_poll or poke.exists():
            poke.unlink(missing_ok=True)
            models.poll()
            _clean_up(models.folder)
            process.flush()
            next_poll = time.monotonic() + settings.api.reload_interval
        shipper.ship()
        time.sleep(_POLL)
    shipper.ship()


if __name__ == "__main__":
    main()
