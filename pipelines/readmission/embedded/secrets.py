"""Secrets of the embedded system: made at random once, kept in one file that only its owner may read."""

import os
import secrets
from pathlib import Path
from typing import get_args

from readmission.settings import Role


def ensure(home: Path) -> Path:
    """Create `secrets.env` if it is absent; a new secret of a later release is appended.

    Returns:
        The file's path (mode 0600).
    """
    home.mkdir(parents=True, exist_ok=True)
    path = home / "secrets.env"
    names = [f"READMISSION_POSTGRES_PASSWORD_{role.upper()}" for role in ("admin", *get_args(Role))]
    names += [f"READMISSION_{name}" for name in ("RELOAD_TOKEN", "FEED_TOKEN", "AIRFLOW_PASSWORD", "AIRFLOW_SECRET")]
    held = path.read_text() if path.exists() else ""
    known = {line.partition("=")[0] for line in held.splitlines()}
    missing = "".join(f"{name}={secrets.token_urlsafe(24)}\n" for name in names if name not in known)
    if missing:
        temporary = path.with_suffix(".new")
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(held + missing)
        temporary.replace(path)
    return path
