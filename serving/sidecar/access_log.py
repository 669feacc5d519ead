"""Rows of the access log: who asked about which patient, by answers and by the discharges list."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from readmission.pseudonyms import PatientKey
from serving.prediction_log.entries import Entry

#: Route of the discharges list.
WORKLIST = "/worklist"


def of_answer(entry: Entry, patient: int | str, key: PatientKey) -> dict[str, Any]:
    """Return the access of one answer.

    Args:
        entry: The answer.
        patient: Number, or reference of a record system.
        key: Key of pseudonyms.
    """
    return {
        "access_id": entry.prediction_id,
        "accessed_at": datetime.fromtimestamp(entry.moment / 1000, UTC),
        "token": key.token(patient),
        "key_id": key.id,
        "client": entry.client,
        "route": entry.route if entry.discharge is None else entry.discharge.source,
        "model_name": entry.model,
        "model_version": entry.version,
        "request_id": entry.request_id,
    }


def of_list(
    rows: Sequence[tuple[Any, ...]], key: PatientKey, moment: datetime, client: str, request_id: str
) -> list[dict[str, Any]]:
    """Return an access for each patient whom the discharges list names.

    Args:
        rows: As `clinic_store.read_worklist` returns them.
        key: Key of pseudonyms.
        moment: When the list was read.
        client: Name of the API key; empty if none was needed.
        request_id: The client's; empty if it sent none.
    """

    def accesses() -> Iterator[dict[str, Any]]:
        for _, patient, _, _, _, version, _, _, model in rows:
            if patient:
                yield {
                    "access_id": str(uuid4()),
                    "accessed_at": moment,
                    "token": key.token(int(patient) if patient.isdecimal() else patient),
                    "key_id": key.id,
                    "client": client,
                    "route": WORKLIST,
                    "model_name": model,
                    "model_version": version,
                    "request_id": request_id,
                }

    return list(accesses())
