"""The one process beside the workers: it downloads models from the registry and stores the log in the database.

`python -m serving.sidecar` is started by the workers, and started again when it dies. It takes a lock, so that a
state folder never has two. Thanks to it, workers need no network, no MLflow and no database.
"""

import contextlib
import fcntl
import logging
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import psycopg2
from prometheus_client.multiprocess import mark_process_dead

from readmission.errors import UserError
from readmission.logs import configure_logging
from readmission.settings import Settings, load_settings
from serving import metrics
from serving.clinic.key_sets import KeySets
from serving.predict.loaded_models import POKE
from serving.prediction_log import segments
from serving.prediction_log.entries import Entry
from serving.prediction_log.outcomes import Outcome, read_outcome
from serving.prediction_log.segments import SUFFIX
from serving.sidecar import launch
from serving.sidecar.background import Background
from serving.sidecar.events import BAD_CONTENT, WaitingEvents
from serving.sidecar.model_sync import ModelSync
from serving.sidecar.store import Store
from serving.sidecar.unreadable import Unreadable

_POLL = 0.2
#: Seconds of storing at a time, so that a promotion does not wait for the whole backlog of an outage.
_TURN = 2.0
_BATCH = 2_000
#: Outcomes that are asked for at a time.
_OUTCOMES = 10_000
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
        self.unreadable = Unreadable(self.spool / "unreadable", self._store.erased)
        self._events = WaitingEvents(self.spool / "clinic", self._store, self._put_aside)
        self._quiet_until = 0.0
        self._warned = ""

    def ship(self, seconds: float = math.inf) -> None:
        """Store finished segments in order and delete them; after a failure, pause for two seconds.

        What cannot be read is moved to `unreadable/`, so that it holds up nothing else.

        Args:
            seconds: After how many the rest waits for the next call. If omitted, every segment is stored.
        """
        self._measure()
        if time.monotonic() < self._quiet_until:
            return
        end = time.monotonic() + seconds
        try:
            for path in sorted(self.spool.glob(f"*{SUFFIX}")):
                self._segment(path)
                if time.monotonic() > end:
                    break
            self._outcomes()
            self._events.store()
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
            refused = 0
            try:
                for entries in segments.frames(path):
                    for start in range(0, len(entries), _BATCH):
                        refused += self._store_part(entries[start : start + _BATCH])
            except segments.DamagedError as error:
                self._put_aside(path, str(error))
                return
            if refused:
                self._put_aside(path, f"{refused} predictions cannot be stored", refused)
            else:
                path.unlink()

    def _store_part(self, entries: Sequence[Entry]) -> int:
        """Store predictions, one by one if not all can be stored; return how many cannot."""
        try:
            self._store.add(entries)
        except BAD_CONTENT as error:
            if len(entries) == 1:
                log.error("prediction %s cannot be stored: %s", entries[0].prediction_id, type(error).__name__)
                return 1
            return sum(self._store_part([entry]) for entry in entries)
        metrics.log_stored.inc(len(entries))
        return 0

    def _outcomes(self) -> None:
        waiting: list[tuple[Path, Outcome]] = []
        for path in islice(sorted(self.waiting.glob("*.json")), _OUTCOMES):
            try:
                outcome = read_outcome(path)
            except FileNotFoundError:  # an erasure deleted it
                continue
            except BAD_CONTENT as error:
                self._put_aside(path, f"the outcome cannot be read: {type(error).__name__}")
                continue
            waiting.append((path, outcome))
        stored = self._store.add_outcomes([outcome for _, outcome in waiting]) if waiting else set()
        for path, outcome in waiting:
            recorded = outcome.prediction_id in stored
            if recorded or (datetime.now(UTC) - outcome.received).total_seconds() > _PATIENCE:
                metrics.feedback.labels("recorded" if recorded else "unknown").inc()
                path.unlink(missing_ok=True)

    def _put_aside(self, path: Path, reason: str, count: int = 1) -> None:
        folder = self.spool / "unreadable"
        folder.mkdir(exist_ok=True)
        path.replace(folder / path.name)
        metrics.log_dropped.labels("unreadable").inc(count)
        log.error("%s is kept as %s: %s", path.name, folder / path.name, reason)

    def _measure(self) -> None:
        backlog = segments.measure(self.spool)
        metrics.log_backlog.set(backlog.size)
        metrics.log_lag.set(max(0.0, time.time() - (backlog.began or time.time())))


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
    with contextlib.suppress(OSError):  # a full disk must not keep the sidecar from starting
        pid_file.write_text(str(os.getpid()))


def attempt(action: Callable[[], object], name: str) -> None:
    """Do one part of the sidecar's work; whatever it raises, the other parts go on."""
    try:
        action()
    except Exception:
        log.exception("%s failed; it is tried again", name)


def main() -> None:
    """Work until the worker that started this process is gone, then store what it left."""
    settings = load_settings()
    configure_logging(settings.log_format)
    os.umask(0o077)
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
    key_sets = KeySets(settings.clinic.clients, settings.home)
    # A registry that never answers, or a download that trickles, must not hold up the log.
    registry = Background(lambda: attempt(models.poll, "following the registry"), "registry")
    poke, next_poll, waiting = models.folder / POKE, 0.0, False
    while os.getppid() == parent:
        if time.monotonic() >= next_poll or poke.exists():
            poke.unlink(missing_ok=True)
            waiting = True
            attempt(lambda: _clean_up(models.folder), "cleaning up after dead workers")
            attempt(lambda: shipper.unreadable.delete_old(settings.privacy.spool_days), "deleting what is too old")
            attempt(shipper.unreadable.delete_erased, "deleting what is of erased patients")
            process.flush()
            next_poll = time.monotonic() + settings.api.reload_interval
        # Whoever asks while a poll runs gets another one after it.
        waiting = waiting and not registry.start()
        attempt(lambda: shipper.ship(_TURN), "storing predictions")
        attempt(key_sets.poll, "fetching key sets")
        time.sleep(_POLL)
    attempt(shipper.ship, "storing predictions")


if __name__ == "__main__":
    main()
