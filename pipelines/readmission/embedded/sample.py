"""The synthetic sample in place of real data: when the system runs on it, and how real data replaces it."""

import logging
import shutil
from pathlib import Path

from readmission.errors import UnreachableError, UserError
from readmission.files import write_atomic
from readmission.settings import Settings

log = logging.getLogger(__name__)

#: What is kept when the sample goes: nothing of it comes from the sample's rows.
_KEPT = frozenset({"cache", "logs", "secrets.env", "settings.env"})
_INSTEAD = (
    "The data set cannot be downloaded from UCI and no file is named, so the system runs on a small SYNTHETIC sample: "
    "its figures say nothing about patients. The next `readmission up` that reaches the data, or that is given "
    "READMISSION_SOURCE=/path/to/dataset_diabetes.zip, replaces the sample."
)
_RUNNING = (
    "The system runs on the SYNTHETIC sample. `readmission down`, then `readmission up`, replaces it where the "
    "data can be had."
)


def location(settings: Settings) -> str:
    """Return where the sample lies, whether it is there already or not."""
    return str(settings.home.absolute() / "cache" / "synthetic-6000.csv")


def choose_source(settings: Settings, asked: bool, running: bool) -> str:
    """Choose what to ingest before anything is started; delete the state of a sample that real data replaces.

    Args:
        settings: The source, and the state folder.
        asked: Whether this command was asked for its source.
        running: Whether the system runs; then no state is deleted.

    Returns:
        Path of the synthetic sample, or an empty string for the data that the settings name.

    Raises:
        UserError: The source that was asked for cannot be read.
    """
    marker = settings.home / "synthetic"
    if settings.source == location(settings):
        return _mark(settings, marker)
    if marker.exists():
        return _keep_or_replace(settings, asked, running)
    if settings.source or (settings.home / "postgres").exists():
        return ""
    from readmission.data.sources import open_source  # with pandas: half a second that most starts do not need

    try:
        open_source(settings)
    except UnreachableError:
        log.warning(_INSTEAD)
        return _mark(settings, marker)
    return ""


def _keep_or_replace(settings: Settings, asked: bool, running: bool) -> str:
    """Choose as `choose_source` does where the state is the sample's."""
    from readmission.data.sources import open_source
    from readmission.data.synthetic import sample_path

    if running and asked:
        return ""
    if running:
        log.warning(_RUNNING)
        return str(sample_path(settings))
    try:
        open_source(settings)
    except UserError as error:
        if asked:
            raise
        log.warning("The system stays on the SYNTHETIC sample: %s", error)
        return str(sample_path(settings))
    log.warning("The data is here: the synthetic sample, its models and its predictions are deleted.")
    _forget(settings.home)
    return ""


def _mark(settings: Settings, marker: Path) -> str:
    """Write down that the state is the sample's; a state that holds other data refuses the sample later."""
    from readmission.data.synthetic import sample_path

    path = sample_path(settings)
    if not (settings.home / "postgres").exists():
        write_atomic(marker, "The state of this folder comes from the synthetic sample.\n")
    return str(path)


def _forget(home: Path) -> None:
    for path in home.iterdir():
        if path.name in _KEPT:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
