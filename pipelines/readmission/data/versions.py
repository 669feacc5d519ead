"""Versions of an encounter: which row is a new one, and which outcomes can be known by now. Pure.

A hospital's feed states an encounter when the patient leaves, and its outcome later. RAW keeps every version. Of all
versions the one that was known last counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import pyarrow as pa

from readmission import contract


@dataclass(frozen=True, kw_only=True)
class Version:
    """One version of an encounter.

    Attributes:
        content_hash: Hash of its row without `known_at`.
        patient: Text of patient_nbr.
        outcome: Text of the outcome.
        discharged_at: When the patient left; None if it is unknown.
        known_at: When the row was known: as the file states it, or when it was ingested.
    """

    content_hash: str
    patient: str
    outcome: str
    discharged_at: datetime | None
    known_at: datetime


def newest(versions: Sequence[Version]) -> Version:
    """Return the version that counts: the one known last, of equal ones the one stored last."""
    return max(enumerate(versions), key=lambda entry: (entry[1].known_at, entry[0]))[1]


def is_new(version: Version, stored: Sequence[Version], *, stated: bool) -> bool:
    """Whether a row is another version than those that are stored, and no duplicate.

    A row that was stored before is a duplicate: an old file that is delivered again takes nothing back. Only if it
    states that it was known later than the newest version, it returns to earlier content, or confirms an outcome that
    could not be known before.

    Args:
        version: The row.
        stored: Versions of the same encounter in the order in which they were stored.
        stated: Whether the file states `known_at`.
    """
    if all(version.content_hash != other.content_hash for other in stored):
        return True
    last = newest(stored)
    if not stated or version.known_at <= last.known_at:
        return False
    return version.content_hash != last.content_hash or _confirms(version, last)


def _confirms(version: Version, last: Version) -> bool:
    """Whether the same outcome is stated again after the horizon, and was first stated within it."""
    if version.discharged_at is None or version.outcome not in ("NO", ">30"):
        return False
    return last.known_at < version.discharged_at + contract.HORIZON <= version.known_at


def with_arrow_times(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose moments are Arrow's, which Arrow takes over without pandas' deprecated conversion."""
    moments = frame.select_dtypes("datetimetz").columns
    return frame.astype(dict.fromkeys(moments, pd.ArrowDtype(pa.timestamp("us", "UTC"))))


def withhold_outcomes(frame: pd.DataFrame, as_of: Any) -> pd.DataFrame:
    """Make outcomes unknown that cannot be known yet; rows without a discharge date keep theirs.

    An encounter counts once the horizon after its discharge is over: earlier, only readmissions are known, and to learn
    from them alone would teach that everybody returns. "NO" and ">30" must also have been stated after the horizon.

    Args:
        frame: Columns readmitted, discharged_at and known_at (timestamps in UTC, NaT where unknown).
        as_of: Moment up to which the data is known.

    Returns:
        A new frame with the same rows.
    """
    due = frame["discharged_at"] + contract.HORIZON
    early = frame[contract.TARGET] == contract.CLASSES[contract.EARLY]
    withheld = due.notna() & ((due > as_of) | (~early & ~(frame["known_at"] >= due)))
    return frame.assign(**{contract.TARGET: frame[contract.TARGET].mask(withheld)})
