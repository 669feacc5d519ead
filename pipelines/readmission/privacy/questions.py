"""`readmission privacy`: what is kept of patients, and who asked about one."""

import json
from dataclasses import asdict
from typing import Annotated, Literal

import typer

from readmission.errors import UserError
from readmission.privacy import accesses, report
from readmission.privacy.patients import read_patient
from readmission.settings import Settings


def run(
    settings: Settings,
    question: Annotated[
        Literal["inventory", "accesses"],
        typer.Argument(help="inventory: every place that holds patients' data. accesses: who asked about --patient."),
    ],
    *,
    patient: Annotated[
        str, typer.Option(help="Number or FHIR reference of a patient; - reads it from standard input.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Show every place that holds patients' data, or who asked about one patient.

    Needs the password of the database role `readmission_privacy`.

    Raises:
        UserError: No patient is named, or the database cannot be used.
    """
    if question == "inventory":
        _inventory(settings, as_json)
    elif not patient:
        raise UserError("Name the patient: --patient N.")
    else:
        _accesses(settings, read_patient(patient), as_json)


def _inventory(settings: Settings, as_json: bool) -> None:
    places = list(report.places(settings))
    if as_json:
        typer.echo(json.dumps([asdict(location) for location in places], indent=2))
        return
    for location in places:
        oldest = f", oldest {location.oldest}" if location.oldest else ""
        typer.echo(f"{location.name}: {location.count}{oldest}")
        typer.echo(f"    holds {location.contents}; kept {location.retention}; readers: {location.readers}")


def _accesses(settings: Settings, patient: int | str, as_json: bool) -> None:
    entries = accesses.read_accesses(settings, patient)
    if as_json:
        lines = [asdict(entry) | {"moment": entry.moment.isoformat()} for entry in entries]
        typer.echo(json.dumps(lines, indent=2))
        return
    for entry in entries:
        moment = entry.moment.isoformat(timespec="seconds")
        typer.echo(f"{moment}  {entry.client or 'no key'}  {entry.route}  {entry.model}  {entry.request_id}")
    typer.echo(f"{len(entries)} accesses recorded.")
