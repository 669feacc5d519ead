"""Source and options of `up`, kept in the state folder's settings.env, so that the next `up` needs none of them."""

from collections.abc import Mapping
from pathlib import Path

from readmission.files import write_atomic

SOURCE, AIRFLOW, MONITORING = "READMISSION_SOURCE", "READMISSION_AIRFLOW", "READMISSION_MONITORING"
NOTEBOOK = "READMISSION_NOTEBOOK"
_FILE = "settings.env"


def recall(home: Path) -> dict[str, str]:
    """Return the variables of settings.env; empty if there is none."""
    path = home / _FILE
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {name: value for name, equals, value in (line.partition("=") for line in lines) if equals}


def remember(home: Path, values: Mapping[str, str]) -> None:
    """Set variables of settings.env and keep its other lines.

    Args:
        home: The state folder.
        values: Values by name. An empty one removes its line.
    """
    path = home / _FILE
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    kept = [line for line in lines if line.partition("=")[0] not in values]
    content = "".join(f"{line}\n" for line in [*kept, *(f"{name}={text}" for name, text in values.items() if text)])
    if content or path.exists():
        write_atomic(path, content, mode=0o600)
