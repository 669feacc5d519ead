"""Outcomes that wait on disk for their prediction, one file each."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from readmission.files import write_atomic


class Outcome(NamedTuple):
    """Outcome of a prediction: the class, when it was observed, and when the API received it."""

    prediction_id: str
    outcome: str
    observed: datetime
    received: datetime


def write_outcome(folder: Path, outcome: Outcome) -> None:
    """Keep an outcome in a file until its prediction is in the database.

    Each has a file of its own, in the order of arrival. One that replaced the file of an earlier outcome would be
    deleted with it when the sidecar has stored the earlier one.

    Raises:
        OSError: The disk is full.
    """
    content = [outcome.prediction_id, outcome.outcome, outcome.observed.isoformat(), outcome.received.isoformat()]
    name = f"{outcome.prediction_id}-{outcome.received:%Y%m%dT%H%M%S%f}.json"
    write_atomic(folder / name, json.dumps(content), sync=True)


def read_outcome(path: Path) -> Outcome:
    """Read the file of an outcome; files of earlier versions lack the time at which it was received.

    Raises:
        ValueError: The content is not an outcome.
    """
    prediction_id, outcome, observed, *received = json.loads(path.read_text())
    changed = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    received_at = datetime.fromisoformat(received[0]) if received else changed
    return Outcome(prediction_id, outcome, datetime.fromisoformat(observed), received_at)
