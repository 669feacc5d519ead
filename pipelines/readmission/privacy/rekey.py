"""`readmission rekey`: write the visits of every compiled model under the current key of pseudonyms."""

import logging
from datetime import UTC, datetime
from functools import partial

import typer

from readmission.errors import UserError
from readmission.features.keyed_visits import UnknownKeyError, read_key_id, with_key
from readmission.privacy.artifacts import RunArtifacts, rewrite, signer_of
from readmission.privacy.rows import compiled_runs
from readmission.scorer.rows import VISITS
from readmission.settings import Settings
from readmission.stores import postgres

log = logging.getLogger(__name__)

#: Every patient who may be in a table of visits: a later version of a table is recognised by their numbers.
_PATIENTS = "SELECT patient_nbr FROM raw.encounters UNION SELECT patient_nbr FROM clean.encounters"


def run(settings: Settings) -> list[str]:
    """Write the visits of every compiled model under the current READMISSION_PATIENT_KEY.

    For models that hold patients' numbers, and after a rotation of the key. APIs follow within
    READMISSION_RELOAD_INTERVAL and must know the key by then. It may be interrupted at any point and run again.

    Returns:
        The MLflow runs whose model was written anew; empty if there was nothing to do.

    Raises:
        UserError: There is no key, MLflow does not answer, or a model is left under its old key because the database
            does not know a patient of it.
    """
    if not settings.patient_keys:
        raise UserError("READMISSION_PATIENT_KEY is not set: without it nobody has a pseudonym.")
    keys, signer = settings.patient_keys, signer_of(settings)
    patients = _read_patients(settings)
    artifacts, written, left = RunArtifacts(settings), list[str](), list[str]()
    for run_id in compiled_runs(settings):
        read = partial(artifacts.read, run_id)
        table = read(VISITS)
        if table is None or read_key_id(table) == keys[0].id:
            continue
        try:
            keyed, unknown = with_key(table, keys[0], keys, patients)
        except UnknownKeyError as error:
            left.append(f"run {run_id}: {error}")
            continue
        if unknown:
            left.append(f"run {run_id}: {unknown} patients of it are not in the database")
            continue
        artifacts.write(run_id, rewrite(read, lambda _, keyed=keyed: (keyed, 0), signer)[0])  # type: ignore[misc]
        written.append(run_id)
        typer.echo(f"run {run_id}: the visits are keyed with {keys[0].id}")
    if written:
        artifacts.announce(f"key {keys[0].id} {datetime.now(UTC):%FT%T}")
    if left:
        raise UserError("Some models stay under their old key: " + "; ".join(left) + ".")
    return written


def _read_patients(settings: Settings) -> list[int]:
    with postgres.transaction(settings, "privacy") as cursor:
        cursor.execute(_PATIENTS)
        return [int(row[0]) for row in cursor.fetchall()]
