"""The record systems that the embedded system trusts: a list of its own, empty until somebody is added."""

import json
from pathlib import Path
from typing import Any

from readmission.files import write_atomic
from readmission.settings import Settings


def path(settings: Settings) -> Path:
    """Return the file of the list; the API reads it again when it changes."""
    return settings.home / "record-systems.json"


def environment(settings: Settings) -> dict[str, str]:
    """Return the variables that name the record systems to the API; a setting that a person made is kept."""
    values = {} if settings.clinic.clients else {"READMISSION_CDS_CLIENTS": str(path(settings))}
    return values if settings.clinic.url else {**values, "READMISSION_CDS_URL": url(settings)}


def url(settings: Settings) -> str:
    """Return the URL at which record systems find the API."""
    return settings.clinic.url.rstrip("/") or f"http://127.0.0.1:{settings.api.port}"


def ensure(settings: Settings) -> None:
    """Create the list if it is absent. Empty, it switches CDS Hooks on and trusts nobody."""
    if not path(settings).exists():
        write_atomic(path(settings), json.dumps({"clients": []}))


def trust(settings: Settings, name: str, issuer: str, key_set: str) -> None:
    """Add a record system to the list, or replace its keys.

    Args:
        settings: State folder.
        name: Name of the record system, and of the file of its keys.
        issuer: Claim `iss` of its tokens.
        key_set: Its public keys.
    """
    ensure(settings)
    file = f"{name}-jwks.json"
    write_atomic(settings.home / file, key_set)
    listed: list[dict[str, Any]] = json.loads(path(settings).read_text())["clients"]
    others = [client for client in listed if client["name"] != name]
    clients = [*others, {"name": name, "issuer": issuer, "jwks_file": file}]
    write_atomic(path(settings), json.dumps({"clients": clients}, indent=1))
