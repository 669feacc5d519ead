"""`readmission erase`: forget one patient everywhere, and refuse later deliveries of their rows."""

import getpass
import logging
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import typer

from readmission.errors import UserError
from readmission.privacy import rows
from readmission.privacy.again import ADD_TOMBSTONE, TOMBSTONES, tombstone_name
from readmission.privacy.artifacts import RunArtifacts, rewrite, signer_of, without
from readmission.privacy.patients import read_patient
from readmission.privacy.rows import Erasure
from readmission.settings import Settings
from readmission.stores import objects, postgres

log = logging.getLogger(__name__)

_OPEN = """
SELECT id FROM privacy.erasures e WHERE token = %(token)s AND key_id = %(key_id)s
  AND NOT EXISTS (SELECT 1 FROM privacy.erasure_steps s WHERE s.erasure_id = e.id AND s.place = 'verified')
ORDER BY id LIMIT 1"""
_REQUEST = """
INSERT INTO privacy.erasures (token, key_id, reason, requested_by)
VALUES (%(token)s, %(key_id)s, %(reason)s, %(by)s) RETURNING id"""


def run(
    settings: Settings,
    *,
    patient: Annotated[
        str, typer.Option(help="Number or FHIR reference of the patient; - reads it from standard input.")
    ],
    reason: Annotated[str, typer.Option(help="Why, for the ledger; without anything that names the patient.")],
    by: Annotated[str, typer.Option(help="Who decides, for the ledger. [the user of this process]")] = "",
) -> None:
    """Erase one patient everywhere, and refuse every later delivery of their rows.

    Deletes rows of every table and issues snapshots and compiled models anew without the patient; APIs follow within
    READMISSION_RELOAD_INTERVAL. It may be interrupted at any point and run again. Backups expire by their own age, and
    a restore erases again.

    Raises:
        UserError: There is no key of pseudonyms, a store does not answer, or rows of the patient are left.
    """
    number = read_patient(patient)
    if not reason.strip() or str(number) in reason:
        raise UserError("--reason must say why, and must not hold the patient's number.")
    erasure = _begin(settings, number, reason, by or getpass.getuser())
    removed = rows.delete_rows(settings, erasure)
    rows.delete_old_snapshots(settings)
    artifacts = RunArtifacts(settings)
    removed["visits.bin"] = _erase_artifacts(settings, erasure, artifacts)
    models = _mark_models(settings, erasure, artifacts)
    if left := rows.remaining(settings, erasure):
        raise UserError(f"Rows of the patient came in meanwhile ({', '.join(left)}): run the same command again.")
    with postgres.transaction(settings, "privacy") as cursor:
        rows.record_step(cursor, erasure, "verified", 0)
    for store, count in removed.items():
        typer.echo(f"{store}: {count} removed")
    typer.echo(f"Models trained on the patient: {', '.join(models) or 'none'}.")
    typer.echo(
        f"Erased (erasure {erasure.number}). Backups made before {datetime.now(UTC):%Y-%m-%d} expire by their age."
    )


def _begin(settings: Settings, patient: int | str, reason: str, who: str) -> Erasure:
    """Write the tombstones and the request, or find the request that an interrupted erasure left."""
    if not settings.patient_keys:
        raise UserError("READMISSION_PATIENT_KEY is not set: without it no tombstone can be made.")
    key = settings.patient_keys[0]
    values = {"token": key.token(patient), "key_id": key.id, "reason": reason, "by": who}
    with postgres.transaction(settings, "privacy") as cursor:
        references = rows.find_references(cursor, patient)
        names = dict.fromkeys((patient, *references))
        for name in names:
            cursor.execute(ADD_TOMBSTONE, {"token": key.token(name), "key_id": key.id})
        cursor.execute(_OPEN, values)
        if (row := cursor.fetchone()) is None:
            cursor.execute(_REQUEST, values)
            row = cursor.fetchone()
    for name in names:
        objects.objects(settings).put(TOMBSTONES + tombstone_name(key, name), b"")
    return Erasure(int(row[0]), patient, references, reason)


def _erase_artifacts(settings: Settings, erasure: Erasure, artifacts: RunArtifacts) -> int:
    """Write the compiled model of every run anew that holds the patient; return how many visits went."""
    runs = rows.compiled_runs(settings)
    total, changed = 0, False
    remove, signer = without(erasure.numbers, settings.patient_keys), signer_of(settings)
    for run_id in runs:
        files, removed = rewrite(partial(artifacts.read, run_id), remove, signer)
        if not files:
            continue
        artifacts.write(run_id, files)
        total, changed = total + removed, True
        log.info("run %s: the compiled model is issued anew", run_id)
    if runs:
        # Also if nothing changed: the run before this one may have ended before it could say so.
        artifacts.announce(f"{erasure.number}")
    with postgres.transaction(settings, "privacy") as cursor:
        rows.record_step(cursor, erasure, "visits.bin", total if changed else 0)
    return total


def _mark_models(settings: Settings, erasure: Erasure, artifacts: RunArtifacts) -> list[str]:
    """Mark the runs of models that were trained on the patient; return them."""
    with postgres.transaction(settings, "privacy") as cursor:
        cursor.execute(
            "SELECT run_id, family FROM privacy.affected_models WHERE erasure_id = %(erasure)s ORDER BY 1",
            {"erasure": erasure.number},
        )
        models = cursor.fetchall()
    for run_id, _ in models:
        artifacts.mark(run_id, "trained_on_erased_patient", str(erasure.number))
    return [f"{family} ({run_id[:8]})" for run_id, family in models]
