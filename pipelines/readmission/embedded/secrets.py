"""Secrets of the embedded system: random, made once, in one file that only its owner may read."""

import secrets
from pathlib import Path
from typing import get_args

from readmission.embedded.custody import sign_present
from readmission.files import write_atomic
from readmission.settings import Role
from readmission.signatures import SigningKey

_SIGNING_KEY = "READMISSION_SIGNING_KEY"


def ensure(home: Path) -> Path:
    """Create `secrets.env` if it is absent, and append the secrets that a later release adds.

    Returns:
        Path of the file (mode 0600).
    """
    home.mkdir(parents=True, exist_ok=True)
    path = home / "secrets.env"
    names = [f"READMISSION_POSTGRES_PASSWORD_{role.upper()}" for role in ("admin", *get_args(Role))]
    others = ("RELOAD_TOKEN", "FEED_TOKEN", "AIRFLOW_PASSWORD", "AIRFLOW_SECRET", "NOTEBOOK_TOKEN", "PATIENT_KEY")
    names += [_SIGNING_KEY, *(f"READMISSION_{name}" for name in others)]
    content = path.read_text() if path.exists() else ""
    present = {line.partition("=")[0] for line in content.splitlines()}
    made = {name: secrets.token_urlsafe(24) for name in names if name not in present}
    if content and _SIGNING_KEY in made:
        # A release before signing: what it serves is signed before the key exists for anybody else.
        sign_present(home, SigningKey(made[_SIGNING_KEY]))
    if made:
        write_atomic(path, content + "".join(f"{name}={value}\n" for name, value in made.items()), mode=0o600)
    return path
