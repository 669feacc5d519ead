"""Secrets of the embedded system: random, made once, in one file that only its owner may read."""

import secrets
from pathlib import Path
from typing import get_args

from readmission.files import write_atomic
from readmission.settings import Role


def ensure(home: Path) -> Path:
    """Create `secrets.env` if it is absent, and append the secrets that a later release adds.

    Returns:
        Path of the file (mode 0600).
    """
    home.mkdir(parents=True, exist_ok=True)
    path = home / "secrets.env"
    names = [f"READMISSION_POSTGRES_PASSWORD_{role.upper()}" for role in ("admin", *get_args(Role))]
    others = ("RELOAD_TOKEN", "FEED_TOKEN", "AIRFLOW_PASSWORD", "AIRFLOW_SECRET", "NOTEBOOK_TOKEN", "PATIENT_KEY")
    names += [f"READMISSION_{name}" for name in others]
    content = path.read_text() if path.exists() else ""
    present = {line.partition("=")[0] for line in content.splitlines()}
    if missing := [name for name in names if name not in present]:
        lines = "".join(f"{name}={secrets.token_urlsafe(24)}\n" for name in missing)
        write_atomic(path, content + lines, mode=0o600)
    return path
