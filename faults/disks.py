"""Faults of disks: each part's disk is a small file system in memory, filled to the last byte."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from faults.api import Api
from faults.clients import asking
from faults.models import compile_other
from faults.observation import Fault, Observation, SkippedError
from faults.site import Site, metric
from readmission.embedded import pgserver
from readmission.polling import wait_until


class Disk:
    """Small disk.

    Args:
        folder: Where it is mounted; created.
        megabytes: Its size.

    Raises:
        SkippedError: This user may not mount one.
    """

    def __init__(self, folder: Path, megabytes: int) -> None:
        if os.geteuid() != 0:
            raise SkippedError("only root may mount a small disk: run `make faults` as root to fill one")
        self.folder, self._filling = folder, folder / "filling"
        folder.mkdir(parents=True, exist_ok=True)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "tmpfs", str(folder)]
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SkippedError(f"a small disk cannot be mounted here: {done.stderr.strip()}")

    def fill(self) -> None:
        """Write until there is no room."""
        with self._filling.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(1 << 16))

    def free(self) -> None:
        """Make room again."""
        self._filling.unlink(missing_ok=True)

    def remove(self) -> None:
        """Unmount it."""
        subprocess.run(["umount", "--lazy", str(self.folder)], check=False)


@contextlib.contextmanager
def api_on_disk(site: Site, name: str, **environment: str) -> Iterator[tuple[Api, Disk]]:
    """Run an API whose state folder is a disk of 64 MB of its own."""
    disk = Disk(site.folder / name, 64)
    try:
        with site.another_api(name, **environment) as api:
            yield api, disk
    finally:
        disk.remove()


def spool_full_refusing(site: Site) -> Observation:
    """Fill the disk of the spool of an API that refuses what it cannot log (READMISSION_SPOOL_FULL=refuse)."""
    with (
        api_on_disk(site, "api-full", READMISSION_SPOOL_FULL="refuse") as (api, disk),
        asking(api.port, 50) as clients,
    ):
        disk.fill()
        time.sleep(10)
        disk.free()
        time.sleep(3)
        clients.stop()
        return site.judge(clients)


def spool_full_dropping(site: Site) -> Observation:
    """Fill the disk of the spool of an API that answers nevertheless, as is the default; every gap is counted."""
    with api_on_disk(site, "api-drop") as (api, disk), asking(api.port, 50) as clients:
        disk.fill()
        time.sleep(10)
        status = httpx.get(f"{api.url}/health", timeout=10).json()["prediction_log"]
        disk.free()
        time.sleep(5)
        clients.stop()
        time.sleep(3)  # what was kept is stored within two seconds
        journal = clients.journal
        missing = len(journal.count(site.stored(clients.prefix)).lost)
        dropped = int(metric(api, "readmission_log_dropped_total"))
    problems = [] if missing == dropped else [f"{missing} predictions are not stored, but {dropped} are counted"]
    problems += [] if dropped else ["nothing was dropped, so nothing was tested"]
    return Observation(
        lost=f"{missing:,} of {len(journal.acknowledged()):,} predictions, each counted as dropped",
        failing=journal.failing_seconds(),
        saw=f"{journal.saw()}; /health says the log is “{status}”",
        problems=tuple(problems),
    )


def models_full(site: Site) -> Observation:
    """Promote a version for which the API's disk has no room, then make room."""
    version = site.publish(compile_other(site.folder))
    with api_on_disk(site, "api-models", READMISSION_SPOOL_FULL="refuse") as (api, disk):
        site.learn(api)
        with asking(api.port, 50) as clients:
            disk.fill()
            site.set_alias(version)
            wait_until(
                lambda: version in (api.info()["problem"] or ""), seconds=60, failure="/model-info tells nothing"
            )
            problem = api.info()["problem"]
            disk.free()
            api.wait_for_version(version, seconds=120)
            site.learn(api)
        judged = site.judge(clients)
    return judged.adding(saw=f"{judged.saw}; /model-info: “{problem}”")


def postgres_full(site: Site) -> Observation:
    """Move PostgreSQL to a disk with 48 MB left, fill that for 20 s, then make room."""
    data = site.settings.home / "postgres"
    kept = data.with_name("postgres.kept")
    site.supervisor.stop("postgres")
    used = sum(path.stat().st_size for path in data.rglob("*") if path.is_file()) >> 20
    data.rename(kept)
    try:
        disk = Disk(data, used + used // 8 + 48)
    except SkippedError:
        if data.is_dir():
            data.rmdir()
        kept.rename(data)
        site.supervisor.start("postgres")
        raise
    try:
        subprocess.run(["cp", "-a", f"{kept}/.", str(data)], check=True)  # with the owner and mode of the folder
        _start(site)
        with asking(site.api.port, 100) as clients:
            site.wait_for_stored(clients, 20)
            disk.fill()
            time.sleep(20)
            disk.free()
            site.supervisor.start("postgres")
        judged = site.judge(clients)
        site.supervisor.stop("postgres")
        shutil.rmtree(kept)
        subprocess.run(["cp", "-a", str(data), str(kept)], check=True)
    finally:
        site.supervisor.stop("postgres")  # it still runs on the small disk if the fault itself failed
        disk.remove()
        data.rmdir()
        kept.rename(data)
        _start(site)
    return judged


def _start(site: Site) -> None:
    site.supervisor.start("postgres")
    wait_until(pgserver.accepts(site.settings), seconds=60, failure="PostgreSQL does not start")


FAULTS = (
    Fault(name="disk of the spool full, API refuses (`READMISSION_SPOOL_FULL=refuse`)", inject=spool_full_refusing),
    Fault(name="disk of the spool full, API answers (`READMISSION_SPOOL_FULL=drop`)", inject=spool_full_dropping),
    Fault(name="disk of the models full during a promotion", inject=models_full),
    Fault(name="disk of PostgreSQL full for 20 s", inject=postgres_full),
)
