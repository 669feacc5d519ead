"""Run one load profile and judge it: ``python -m loadtest course``; ``make load PROFILE=course``."""

import os
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime
from pathlib import Path

from loadtest import crowd, profiles
from loadtest.profiles import read_profile
from readmission.errors import UserError
from readmission.settings import load_settings
from readmission.stores.objects import S3Store

LOCUSTFILE = Path(__file__).with_name("locustfile.py")


def parse(arguments: list[str]) -> Namespace:
    """Read the command line."""
    parser = ArgumentParser(
        prog="python -m loadtest",
        description="Put load on an API by a profile. Exits with 3 if a limit of the profile is breached.",
    )
    parser.add_argument("profile", help=f"one of {', '.join(profiles.names())}, or a .toml file")
    parser.add_argument("--host", default="", help="URL of the API [the embedded one]")
    parser.add_argument("--rows", default="", help="data set (csv or zip) to draw requests from [the contract]")
    parser.add_argument("--report", type=Path, help="folder of the report [below the state folder]")
    parser.add_argument("--upload", default="", help="s3://bucket/prefix to copy the report to, below its name")
    parser.add_argument(
        "--locust", action="store_true", help="use Locust even if the profile names this project's generator"
    )
    parser.add_argument("--web", action="store_true", help="start from Locust's web page on 127.0.0.1:8089")
    return parser.parse_args(arguments)


def command(options: Namespace, host: str, folder: Path) -> list[str]:
    """Return the Locust command of one run."""
    profile = read_profile(options.profile)
    locust = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--profile", options.profile, "--host", host]
    locust += ["--report", str(folder), "--loglevel", "INFO"]
    if options.rows:
        locust += ["--rows", options.rows]
    if profile.processes > 1:
        locust += ["--processes", str(profile.processes)]
    if options.web:
        return [*locust, "--web-host", "127.0.0.1"]
    return [
        *locust,
        "--headless",
        "--only-summary",
        "--html",
        str(folder / "report.html"),
        "--csv",
        str(folder / "locust"),
    ]


def main() -> None:
    """Run the profile, as Locust or by this project's generator; the exit code is the verdict."""
    options = parse(sys.argv[1:])
    settings = load_settings()
    begun = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    folder = options.report or settings.home / "reports" / "load" / f"{Path(options.profile).stem}-{begun}"
    host = (options.host or settings.api.base_url).rstrip("/")
    profile = read_profile(options.profile)
    sys.stderr.write(f"The report is written to {folder}\n")
    sys.stderr.flush()
    if profile.generator == "own" and not (options.web or options.locust):
        verdict = crowd.run(Path(options.profile).stem, profile, host, folder, options.rows)
    else:
        locust = command(options, host, folder)
        folder.mkdir(parents=True, exist_ok=True)
        if not options.upload:
            os.execv(locust[0], locust)  # noqa: S606 - our own interpreter
        verdict = subprocess.run(locust, check=False).returncode
    if options.upload:
        upload(folder, options.upload, settings.objects.s3_endpoint)
    sys.exit(verdict)


def upload(folder: Path, url: str, endpoint: str) -> None:
    """Copy a report to S3, below the name of its folder, with the credentials that boto3 finds."""
    store = S3Store(url, endpoint)
    for path in sorted(folder.iterdir()):
        store.put(f"{folder.name}/{path.name}", path.read_bytes())
    sys.stderr.write(f"The report is at {url}/{folder.name}\n")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(str(error))
