"""What people did after an estimate, on its way from the spool to the database."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Protocol

import msgspec
import psycopg2

from serving.clinic.events import Event, read_event
from serving.predict.encounter import Invalid

#: What a stored file or its content may raise, unlike a database that is away.
BAD_CONTENT = (
    Invalid,
    msgspec.MsgspecError,
    ValueError,
    TypeError,
    KeyError,
    psycopg2.DataError,
    psycopg2.IntegrityError,
)
#: Seconds that an event waits for its prediction, between two looks while some wait, and most events of one look.
_PATIENCE, _PAUSE, _MOST = 3_600.0, 2.0, 10_000


class EventStore(Protocol):
    """Database of events."""

    def add_events(self, events: Sequence[Event]) -> set[str]:
        """Store the events of stored predictions; return the ids of those."""


class WaitingEvents:
    """Events in files until their prediction is in the database.

    An event whose prediction never comes, such as that of an erased patient, is deleted after an hour.

    Args:
        folder: Where they are; it need not exist.
        store: The database.
        put_aside: Receives a file that cannot be stored, and why.
    """

    def __init__(self, folder: Path, store: EventStore, put_aside: Callable[[Path, str], None]) -> None:
        self._folder, self._store, self._put_aside = folder, store, put_aside
        self._next = 0.0

    def store(self) -> None:
        """Store the events of stored predictions and delete their files.

        Raises:
            psycopg2.Error: The database is not available.
        """
        if time.monotonic() < self._next:
            return
        waiting: list[tuple[Path, Event]] = []
        for path in islice(sorted(self._folder.glob("*.json")), _MOST):
            try:
                waiting.append((path, read_event(path)))
            except FileNotFoundError:  # deleted since the folder was listed
                continue
            except BAD_CONTENT as error:
                self._put_aside(path, f"what was done cannot be read: {type(error).__name__}")
        if waiting:
            self._store_part(waiting)

    def _store_part(self, part: Sequence[tuple[Path, Event]]) -> None:
        """Store events, one by one if not all can be stored."""
        try:
            stored = self._store.add_events([event for _, event in part])
        except BAD_CONTENT as error:
            if len(part) == 1:
                self._put_aside(part[0][0], f"what was done cannot be stored: {type(error).__name__}")
            else:
                for pair in part:
                    self._store_part([pair])
            return
        for path, event in part:
            waited = (datetime.now(UTC) - event.received_at).total_seconds()
            if event.prediction_id in stored or waited > _PATIENCE:
                path.unlink(missing_ok=True)
            else:
                self._next = time.monotonic() + _PAUSE
