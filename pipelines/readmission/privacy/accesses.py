"""Access log: who asked about a patient."""

from dataclasses import dataclass
from datetime import datetime

from readmission.errors import UserError
from readmission.privacy.access_log import batch_token
from readmission.privacy.rows import find_references
from readmission.settings import Settings
from readmission.stores import postgres

#: Those of the patient, and those of everybody in a batch that holds an encounter of the patient.
_QUERY = """
SELECT accessed_at, client, route, model_name || ' ' || model_version, request_id FROM privacy.accesses
WHERE (token, key_id) IN %(tokens)s
UNION ALL SELECT accessed_at, client, route, model_name || ' ' || model_version, request_id FROM privacy.accesses
WHERE key_id = '' AND token = ANY(%(batches)s) ORDER BY 1"""
_BATCHES = "SELECT DISTINCT batch_id FROM clean.encounters WHERE patient_nbr = %(patient)s"


@dataclass(frozen=True, kw_only=True)
class Access:
    """One question about a patient: when, by whom, on which route, answered by which model, in which request."""

    moment: datetime
    client: str
    route: str
    model: str
    request_id: str


def read_accesses(settings: Settings, patient: int | str) -> list[Access]:
    """Return every recorded access to a patient, the oldest first, also scorings of the batches with the patient.

    Raises:
        UserError: There is no key of pseudonyms.
    """
    if not settings.patient_keys:
        raise UserError("READMISSION_PATIENT_KEY is not set: without it nobody's accesses can be found.")
    with postgres.transaction(settings, "privacy") as cursor:
        references = find_references(cursor, patient) if isinstance(patient, int) else ()
        tokens = tuple((key.token(name), key.id) for key in settings.patient_keys for name in (patient, *references))
        cursor.execute(_BATCHES, {"patient": patient if isinstance(patient, int) else None})
        batches = [batch_token(batch_id) for (batch_id,) in cursor.fetchall()]
        cursor.execute(_QUERY, {"tokens": tokens, "batches": batches})
        return [
            Access(moment=moment, client=client, route=route, model=model, request_id=request_id)
            for moment, client, route, model, request_id in cursor.fetchall()
        ]
