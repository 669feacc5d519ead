"""Release a version: `make release VERSION=0.2.0`.

Writes the version everywhere, closes the section [Unreleased] of the changelog, commits and tags, and leaves in
dist/release-<version>/ what a site installs from: the charts as archives, the list of images, the release notes.
Nothing is pushed. `--dry-run` does all of it in a clone that is deleted afterwards.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from datetime import UTC, date, datetime
from pathlib import Path

import chartlib
import helm_python as helm

ROOT = Path(__file__).resolve().parents[1]
_VERSION = re.compile(r"\d+\.\d+\.\d+")
_EMPTY = "## [Unreleased]\n"


class RefusedError(Exception):
    """The release cannot be made; the message says why."""


def git(root: Path, *arguments: str) -> str:
    """Run git in a clone and return what it prints."""
    command = ["git", "-C", str(root), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RefusedError(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()


def as_numbers(version: str) -> tuple[int, ...]:
    """Return a version as numbers, which compare."""
    return tuple(int(part) for part in version.split("."))


def current_version(root: Path) -> str:
    """Return the version in pyproject.toml."""
    match = re.search(r'^version = "([^"]+)"$', (root / "pyproject.toml").read_text(), re.M)
    if match is None:
        raise RefusedError("pyproject.toml has no version.")
    return match[1]


def close_section(changelog: str, version: str, day: date) -> tuple[str, str]:
    """Turn the section [Unreleased] into that of a version.

    Returns:
        The new changelog, and the text of the section.

    Raises:
        RefusedError: The section is empty, or the version has one already.
    """
    heading = f"## [{version}]"
    if heading in changelog:
        raise RefusedError(f"CHANGELOG.md has a section {heading} already.")
    before, _, rest = changelog.partition(_EMPTY)
    notes = open_notes(changelog)
    if not notes:
        raise RefusedError("The section [Unreleased] of CHANGELOG.md is empty: there is nothing to release.")
    return f"{before}{_EMPTY}\n{heading} - {day.isoformat()}\n{rest}", notes


def open_notes(changelog: str) -> str:
    """Return what is under [Unreleased]."""
    return changelog.partition(_EMPTY)[2].split("\n## [", 1)[0].strip()


def first_notes(changelog: str, version: str) -> str:
    """Return the section of a version whose changes were written down before it was tagged; empty if there is none."""
    _, _, rest = changelog.partition(f"## [{version}]")
    return rest.partition("\n")[2].split("\n## [", 1)[0].strip()


def check(root: Path, version: str) -> None:
    """Check that a version can be released.

    Raises:
        RefusedError: It cannot.
    """
    if not _VERSION.fullmatch(version):
        raise RefusedError(f"{version!r} is not a version: three numbers, such as 0.2.0.")
    if git(root, "tag", "--list", f"v{version}"):
        raise RefusedError(f"Version {version} is released already: tag v{version}.")
    if git(root, "status", "--porcelain", "--untracked-files=no"):
        raise RefusedError("There are changes that are not committed.")
    if as_numbers(version) < as_numbers(current_version(root)):
        raise RefusedError(f"Version {version} is older than {current_version(root)}.")


def write_version(root: Path, version: str) -> str:
    """Write a version wherever it stands, and return the release notes."""
    old, changelog = current_version(root), root / "CHANGELOG.md"
    text = changelog.read_text()
    if old == version:
        if open_notes(text):
            raise RefusedError(
                f"What is under [Unreleased] is not of {version}. Tag the commit that is: git tag -a v{version} COMMIT"
            )
        notes = first_notes(text, version)
        if not notes:
            raise RefusedError(f"CHANGELOG.md has no section [{version}].")
        return notes
    content, notes = close_section(text, version, datetime.now(UTC).date())
    changelog.write_text(content)
    for name, before, after in (
        ("pyproject.toml", f'\nversion = "{old}"\n', f'\nversion = "{version}"\n'),
        ("bentofile.yaml", f"readmission-{old}-py3", f"readmission-{version}-py3"),
    ):
        path = root / name
        path.write_text(path.read_text().replace(before, after))
    subprocess.run([sys.executable, str(root / "scripts/generate.py")], cwd=root, check=True)
    return notes


def base_image(root: Path) -> str:
    """Return the base of the images: what PYTHON_IMAGE names, by its digest, or else what the Dockerfile names.

    Raises:
        RefusedError: PYTHON_IMAGE has no digest.
    """
    chosen = os.environ.get("PYTHON_IMAGE", "")
    if chosen and not re.fullmatch(r"\S+@sha256:[0-9a-f]{64}", chosen):
        raise RefusedError(f"PYTHON_IMAGE={chosen}: a release names its base by digest, python@sha256: and 64 digits.")
    [named] = re.findall(r"^ARG PYTHON_IMAGE=(\S+)$", (root / "images/Dockerfile").read_text(), re.M)
    if not chosen:
        print(
            f"images.txt names the base {named} by its tag. `make images` prints its digest: set PYTHON_IMAGE to that."
        )
    return chosen or str(named)


def list_images(root: Path, version: str) -> str:
    """Return every image and chart that `prod` needs, a line each; without the charts of others, our images only."""
    base = base_image(root)
    command = [sys.executable, str(root / "scripts/charts.py"), "images", "prod"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return f"base {base}\n{done.stdout}"
    print(f"images.txt has this project's images only: {done.stderr.strip()}", file=sys.stderr)
    own = (f"own {path.stem}:{version}\n" for path in sorted((root / "images").glob("*.args")))
    return f"base {base}\n{''.join(own)}"


def package(root: Path, version: str, notes: str) -> Path:
    """Write charts, list of images and release notes; return their folder."""
    folder = root / "dist" / f"release-{version}"
    folder.mkdir(parents=True, exist_ok=True)
    chartlib.build_dependencies(root / "charts")
    for name in ("foundation", "readmission", "dask", "loadtest"):
        helm.package(root / "charts" / name, destination=folder)
    (folder / "images.txt").write_text(list_images(root, version))
    (folder / "RELEASE.md").write_text(f"# Readmission {version}\n\n{notes}\n")
    return folder


def release(root: Path, version: str) -> Path:
    """Release a version of a clone; return the folder of what a site installs from.

    Raises:
        RefusedError: It cannot be released; nothing was changed.
    """
    check(root, version)
    before = git(root, "rev-parse", "HEAD")
    try:
        notes = write_version(root, version)
        folder = package(root, version, notes)
        if git(root, "status", "--porcelain", "--untracked-files=no"):
            git(root, "commit", "--quiet", "--all", "--message", f"release: {version}")
    except BaseException:
        git(root, "reset", "--quiet", "--hard", before)
        raise
    git(root, "tag", "--annotate", f"v{version}", "--message", f"Readmission {version}\n\n{notes}")
    return folder


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("version", help="three numbers, such as 0.2.0")
    parser.add_argument("--dry-run", action="store_true", help="release a clone and delete it")
    options = parser.parse_args()
    try:
        if not options.dry_run:
            folder = release(ROOT, options.version)
            print(f"Tagged v{options.version}; charts, images and notes are in {folder.relative_to(ROOT)}.")
            print(f"Now: make images NAMES=..., and git push origin HEAD v{options.version}")
            return
        with tempfile.TemporaryDirectory() as temporary:
            clone = Path(temporary) / "clone"
            git(ROOT, "clone", "--quiet", str(ROOT), str(clone))
            for key in ("user.name", "user.email"):
                git(clone, "config", key, git(ROOT, "config", key))
            folder = release(clone, options.version)
            print(git(clone, "show", "--no-patch", "--format=%s", f"v{options.version}"))
            print(*sorted(path.name for path in folder.iterdir()), sep="\n")
    except RefusedError as reason:
        sys.exit(str(reason))


if __name__ == "__main__":
    main()
