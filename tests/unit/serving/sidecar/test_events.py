"""Events wait for their prediction, for an hour; one that cannot be stored holds up no other."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg2

from serving.clinic.events import Event, FollowUp, write_event
from serving.sidecar.events import WaitingEvents

NOW = datetime.now(UTC)


def event(name: str, received: datetime = NOW) -> FollowUp:
    return FollowUp(name, "called", received, received)


class Database:
    """Database that has some predictions, and refuses the event of one."""

    def __init__(self, *predictions: str, refuses: str = "") -> None:
        self.predictions, self.refuses = set(predictions), refuses
        self.stored: list[str] = []

    def add_events(self, events: Sequence[Event]) -> set[str]:
        names = {each.prediction_id for each in events}
        if self.refuses in names:
            raise psycopg2.DataError
        self.stored += sorted(names & self.predictions)
        return names & self.predictions


def run(folder: Path, database: Database, *events: FollowUp) -> list[str]:
    """Store events; return what was put aside."""
    aside: list[str] = []

    def put_aside(path: Path, reason: str) -> None:
        path.unlink()
        aside.append(reason)

    for each in events:
        write_event(folder, each)
    WaitingEvents(folder, database, put_aside).store()
    return aside


def test_an_event_waits_for_its_prediction_and_an_hour_at_most(tmp_path: Path) -> None:
    database = Database("stored")
    old = NOW - timedelta(hours=2)
    assert run(tmp_path, database, event("stored"), event("not yet"), event("never", old)) == []
    assert database.stored == ["stored"] and len(list(tmp_path.iterdir())) == 1
    database.predictions.add("not yet")
    run(tmp_path, database)
    assert database.stored == ["stored", "not yet"] and list(tmp_path.iterdir()) == []


def test_one_that_cannot_be_stored_or_read_holds_up_no_other(tmp_path: Path) -> None:
    database = Database("good", "bad", refuses="bad")
    (tmp_path / "torn.json").write_bytes(b'{"type')
    assert len(run(tmp_path, database, event("bad"), event("good"))) == 2
    assert database.stored == ["good"] and list(tmp_path.iterdir()) == []


def test_a_file_that_somebody_deletes_meanwhile_holds_up_no_other(tmp_path: Path) -> None:
    class Deleting(Database):
        """Database beside which somebody empties the folder while it stores."""

        def add_events(self, events: Sequence[Event]) -> set[str]:
            for path in tmp_path.glob("*.json"):
                path.unlink(missing_ok=True)
            return super().add_events(events)

    # A name that is listed and has no file any more, as when it is deleted before it is read.
    (tmp_path / "0.json").symlink_to(tmp_path / "deleted")
    database = Deleting("first", "second")
    assert run(tmp_path, database, event("first"), event("second")) == []
    assert database.stored == ["first", "second"] and not list(tmp_path.glob("*.json"))
