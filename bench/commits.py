"""Other commits of this repository, to measure beside this one."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from readmission.errors import UserError

ROOT = Path(__file__).parents[1]


@contextmanager
def fresh_clone(folder: Path, commit: str) -> Iterator[Path]:
    """Clone this repository's commit into a folder; delete its state and files at the end."""
    subprocess.run(["git", "clone", "-q", "--shared", ROOT, folder], check=True)
    subprocess.run(["git", "-C", folder, "checkout", "-q", "--detach", commit_id(commit)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["rm", "-rf", folder], check=False)


def commit_id(commit: str) -> str:
    """Return the id of one of this repository's commits.

    Raises:
        UserError: There is no such commit here.
    """
    done = subprocess.run(
        ["git", "-C", ROOT, "rev-parse", "--verify", f"{commit}^{{commit}}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise UserError(f"--baseline: this clone has no commit {commit!r}; a shallow clone lacks the older ones.")
    return done.stdout.strip()
