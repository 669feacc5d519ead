"""Outcomes in the database: the one that was received last counts, in whatever order they are stored."""

from datetime import UTC, datetime, timedelta

import msgspec

from readmission import contract
from readmission.settings import Settings
from readmission.stores import postgres
from serving.prediction_log.entries import Entry
from serving.prediction_log.ids import Ids
from serving.prediction_log.outcomes import Outcome, write_outcome
from serving.sidecar.__main__ import Shipper


def test_an_outcome_that_waited_does_not_undo_a_later_one(database: Settings) -> None:
    ids = Ids()
    moment = ids.tick()
    entry = Entry(
        prediction_id=ids.new(),
        moment=moment,
        model="m",
        version="1",
        variant="champion",
        inputs=msgspec.json.encode(dict(contract.EXAMPLE)),
        probabilities=(0.1, 0.2, 0.7),
        latency=0.002,
        request_id="r",
    )
    shipper = Shipper(database)
    shipper._store.add([entry])
    now = datetime.now(UTC)
    waited = Outcome(entry.prediction_id, "NO", now, now)
    write_outcome(shipper.waiting, waited)
    # Meanwhile a worker of the API reached the database.
    shipper._store.add_outcomes([waited._replace(outcome=">30", received=now + timedelta(seconds=1))])
    shipper.ship()
    assert list(shipper.waiting.iterdir()) == []
    with postgres.transaction(database, "monitor") as cursor:
        cursor.execute("SELECT outcome FROM serving.feedback")
        assert cursor.fetchall() == [(">30",)]
