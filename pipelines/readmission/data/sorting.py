"""Rows of a batch, sorted into accepted, corrected, refused and duplicate ones. Pure."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from readmission import contract
from readmission.contract import icd, validation
from readmission.data.sources import RawBatch
from readmission.data.versions import Version, is_new

_CONTRADICTION = validation.Reason(
    field="encounter_id", problem="duplicate", allowed="an encounter once in a delivery, or with another known_at"
)
_ANOTHER_PATIENT = validation.Reason(
    field="patient_nbr", problem="contradiction", allowed="the patient of the encounter's first version"
)


@dataclass(frozen=True, kw_only=True)
class SortedRows:
    """Rows of one batch, sorted into accepted, refused and duplicate ones.

    Attributes:
        accepted: Text columns of the contract, `content_hash`, and the times `discharged_at` and `known_at`.
        corrections: The same columns of later versions of encounters; they count as accepted, too.
        refused: Row number -> (the row, its reasons).
        duplicate: Number of rows that are already stored, the same to the letter.
        known_through: Newest known_at; None if a row does not state it.
    """

    accepted: pd.DataFrame
    corrections: pd.DataFrame
    refused: dict[int, tuple[dict[str, Any], list[validation.Reason]]]
    duplicate: int
    known_through: datetime | None


def sort_rows(
    raw: RawBatch, stored: Mapping[str, Sequence[Version]], now: datetime, system: icd.System = "9cm"
) -> SortedRows:
    """Sort a batch's rows; rows read = accepted + corrections + refused + duplicate, always.

    Args:
        raw: The batch.
        stored: Versions by encounter_id of encounters that are already in RAW.
        now: When a row was known that does not say so.
        system: Declared code system of the diagnoses.
    """
    frame = raw.frame.assign(content_hash=content_hashes(raw.frame))
    reasons = validation.problems(raw.frame, system)
    sound = frame.drop(index=list(reasons))
    times = {name: validation.moments(sound[name]) for name in contract.TIME_NAMES}
    sound = sound.assign(**times)
    repeated = sound["encounter_id"].isin(list(stored)) | sound["encounter_id"].duplicated()
    accepted = sound[~repeated]
    corrections, contradictions = _sort_repeated(sound[repeated], accepted, stored, now)
    reasons |= contradictions
    stated = sound["known_at"].max()
    return SortedRows(
        accepted=accepted,
        corrections=sound.loc[corrections],
        refused=_refused(raw, reasons),
        duplicate=int(repeated.sum()) - len(corrections) - len(contradictions),
        known_through=stated.to_pydatetime() if sound["known_at"].notna().all() and len(sound) else None,
    )


def _refused(
    raw: RawBatch, reasons: Mapping[Any, list[validation.Reason]]
) -> dict[int, tuple[dict[str, Any], list[validation.Reason]]]:
    """Return the rows with a reason against them, and the lines that are no rows, by row number."""
    rows = raw.frame.loc[sorted(reasons)].to_dict("index")
    for row in rows.values():
        for name in contract.TIME_NAMES:
            if row[name] == contract.MISSING_TOKEN:
                del row[name]
    refused: dict[int, tuple[dict[str, Any], list[validation.Reason]]] = {
        int(label): (rows[label], reasons[label]) for label in rows
    }
    for line in raw.unreadable:
        problem = validation.Reason(
            field="", problem=f"{line.fields} fields", allowed=f"a row of {line.expected} fields"
        )
        refused[line.row_number] = ({"text": line.text}, [problem])
    return refused


def _sort_repeated(
    rows: pd.DataFrame, accepted: pd.DataFrame, stored: Mapping[str, Sequence[Version]], now: datetime
) -> tuple[list[Any], dict[Any, list[validation.Reason]]]:
    """Return the labels of later versions, and the reasons against rows that contradict others; the rest repeat."""
    here = accepted[accepted["encounter_id"].isin(set(rows["encounter_id"]))].to_dict("records")
    versions = {encounter: list(stored.get(encounter, ())) for encounter in rows["encounter_id"].unique()}
    # Everything that this delivery says of an encounter: at one moment only one thing can be true.
    stated: dict[str, list[Version]] = {encounter: [] for encounter in versions}
    for row in here:
        versions[row["encounter_id"]].append(version_of(row, now))
        stated[row["encounter_id"]].append(version_of(row, now))
    corrections: list[Any] = []
    reasons: dict[Any, list[validation.Reason]] = {}
    for label, row in zip(rows.index, rows.to_dict("records"), strict=True):
        version, encounter = version_of(row, now), row["encounter_id"]
        if version.patient != versions[encounter][0].patient:
            reasons[label] = [_ANOTHER_PATIENT]
        elif is_new(version, versions[encounter], stated=not pd.isna(row["known_at"])):
            if any(version.known_at == other.known_at for other in stated[encounter]):
                reasons[label] = [_CONTRADICTION]
                continue
            corrections.append(label)
            versions[encounter].append(version)
        stated[encounter].append(version)
    return corrections, reasons


def version_of(row: Any, now: datetime) -> Version:
    """Return the version that a row of `SortedRows` states; `now` is when it was known if it does not say so."""
    times = [None if pd.isna(row[name]) else row[name].to_pydatetime() for name in contract.TIME_NAMES]
    return Version(
        content_hash=row["content_hash"],
        patient=row["patient_nbr"],
        outcome=row[contract.TARGET],
        discharged_at=times[0],
        known_at=times[1] or now,
    )


def content_hashes(frame: pd.DataFrame) -> list[str]:
    """Hash each row's text (sha256 of the values joined by the unit separator), in the contract's column order.

    The discharge date, if there is one, comes last.
    """
    columns = [frame[name].tolist() for name in contract.COLUMN_NAMES]
    rows = list(map("\x1f".join, zip(*columns, strict=True)))
    if "discharged_at" in frame:
        discharges = zip(rows, frame["discharged_at"], strict=True)
        rows = [row if text == contract.MISSING_TOKEN else f"{row}\x1f{text}" for row, text in discharges]
    return [hashlib.sha256(row.encode()).hexdigest() for row in rows]
