"""Run one load profile and decide: ``python -m loadtest course``; ``make load PROFILE=course``."""

import os
import sys
from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime
from pathlib import Path

from loadtest import crowd, profiles
from readmission.errors import UserError
from readmission.settings import load

LOCUSTFILE = Path(__file__).with_name("locustfile.py")


def parse(arguments: list[str]) -> Namespace:
    """Read the command line."""
    parser = ArgumentParser(
        prog="python -m loadtest",
        description="Load an API by a profile; ends with 3 and a sentence when a limit of the profile is breached.",
    )
    parser.add_argument("profile", help=f"one of {', '.join(profiles.names())}, or a .toml file")
    parser.add_argument("--host", default="", help="URL of the API; default: the embedded one")
    parser.add_argument("--rows", default="", help="data set (csv or zip) to draw requests from; default: contract")
    parser.add_argument("--report", type=Path, help="folder of the report; default: below the state folder")
    parser.add_argument("--locust", action="store_true", help="Locust, also where the profile says the own generator")
    parser.add_argument("--web", action="store_true", help="Locust's web page on 127.0.0.1:8089 instead of at once")
    return parser.parse_args(arguments)


def command(options: Namespace, host: str, folder: Path) -> list[str]:
    """Return the Locust command of one run."""
    profile = profiles.load(options.profile)
    words = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--profile", options.profile, "--host", host]
    words += ["--report", str(folder), "--loglevel", "INFO"]
    if options.rows:
        words += ["--rows", options.rows]
    if profile.processes > 1:
        words += ["--processes", str(profile.processes)]
    if options.web:
        return [*words, "--web-host", "127.0.0.1"]
    return [
        *words,
        "--headless",
        "--only-summary",
        "--html",
        str(folder / "report.html"),
        "--csv",
        str(folder / "locust"),
    ]


def main() -> None:
    """Become Locust: its exit code is the answer."""
    options = parse(sys.argv[1:])
    settings = load()
    begun = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    folder = options.report or settings.home / "reports" / "load" / f"{Path(options.profile).stem}-{begun}"
    host = (options.host or settings.api).rstrip("/")
    profile = profiles.load(options.profile)
    if profile.generator == "own" and not (options.web or options.locust):
        sys.stderr.write(f"The report goes to {folder}\n")
        sys.exit(crowd.run(Path(options.profile).stem, profile, host, folder, options.rows))
    words = command(options, host, folder)
    folder.mkdir(parents=True, exist_ok=True)
    sys.stderr.write(f"The report goes to {folder}\n")
    sys.stderr.flush()
    os.execv(words[0], words)  # noqa: S606 - our own interpreter


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"{error}")
