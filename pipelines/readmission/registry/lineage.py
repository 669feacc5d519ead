"""Lineage of what is made here: the code, the commit and the libraries of this process."""

import subprocess
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from readmission.settings import Settings

#: Libraries whose version may change a fitted model.
LIBRARIES = ("lightgbm", "numpy", "pandas", "scikit-learn", "skops", "xgboost-cpu")
_PACKAGE = Path(__file__).parents[1]


@cache
def code_version(package: Path = _PACKAGE) -> str:
    """Return the version of the package with a digest of its Python files, such as `0.1.0+1a2b3c4d`.

    The commit of a surrounding checkout is no measure of the code: it is another repository's where the package is
    installed, and it stays the same while files are edited.

    Args:
        package: Folder of the package.
    """
    digest = sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
    return f"{_version('readmission')}+{digest.hexdigest()[:8]}"


def revision(settings: Settings, package: Path = _PACKAGE) -> str:
    """Return the commit of this code: the setting's, or that of the checkout which tracks the package; else empty.

    Args:
        settings: May name the commit.
        package: Folder of the package.
    """
    if settings.git_sha:
        return settings.git_sha
    git = ["git", "-C", str(package)]
    try:
        for command in (["ls-files", "--error-unmatch", "__init__.py"], ["rev-parse", "HEAD"]):
            done = subprocess.run([*git, *command], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def tags(settings: Settings) -> dict[str, str]:
    """Return the tags of an MLflow run that say which code it ran: `code`, and `git_sha` where it is known."""
    commit = revision(settings)
    return {"code": code_version(), **({"git_sha": commit} if commit else {})}


def packages() -> str:
    """Return the libraries that may change a fitted model, with their versions here: `lightgbm==4.6.0, ...`."""
    return ", ".join(requirements()[1:])


def requirements() -> list[str]:
    """Return the pinned requirements of a logged Pipeline: this package, then its libraries."""
    return [f"{name}=={pinned}" if (pinned := _version(name)) else name for name in ("readmission", *LIBRARIES)]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
