"""Bring the models that the registry names to local disk, by MLflow's REST interface alone.

MLflow's client would bring pandas and half a second of imports into a process that reads four URLs.
"""

import contextlib
import logging
import os
import re
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx
import msgspec

from readmission.files import write_atomic
from readmission.registry.aliases import CHALLENGER, CHAMPION, RegistryError, fetch_aliases, fetch_reissue
from readmission.scorer.custody import SIGNATURE, check_folder
from readmission.scorer.manifest import MANIFEST, ArtifactError, read_manifest
from readmission.settings import Settings
from serving import metrics
from serving.predict.aliases import POLLED, Aliases, read_aliases

_API = "/api/2.0/mlflow"
#: Seconds before a failed download is tried again.
_RETRY = 20.0
#: Versions that stay on disk.
_KEPT = 5
_TEMPORARY = re.compile(r"\.\d+\.\d+")
log = logging.getLogger(__name__)


class ModelSync:
    """Copy of the registered model's versions on local disk, kept up to date with its aliases.

    Args:
        settings: Server, registered model, and whether the challenger is used.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.folder = settings.home / "models" / settings.mlflow.model_name
        self.folder.mkdir(parents=True, exist_ok=True)
        self._http = httpx.Client(base_url=settings.mlflow.tracking_uri, timeout=10, trust_env=False)
        self._failed: dict[str, tuple[float, str]] = {}
        self._checked: set[str] = set()
        for path in self.folder.iterdir():
            # Left by a sidecar that was killed during a download.
            if _TEMPORARY.fullmatch(path.name):
                shutil.rmtree(path, ignore_errors=True)

    def poll(self) -> Aliases:
        """Read the aliases, download what is missing, and write aliases.json.

        If the registry cannot be read or a version cannot be downloaded, what is served stays as it is.
        """
        old = read_aliases(self.folder)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        try:
            versions = fetch_aliases(self._http, self._settings.mlflow.model_name)
            reissued = fetch_reissue(self._http, self._settings.mlflow.model_name)
        except RegistryError as error:
            metrics.registry_up.set(0)
            registry = f"cannot be read: {error.reason}"
            new = msgspec.structs.replace(old, registry=registry, checked_at=now)
        else:
            metrics.registry_up.set(1)
            champion, problem = self._provide(versions.get(CHAMPION, ""), old.champion)
            challenger = ""
            if self._settings.challenger.mode != "off":
                challenger, other = self._provide(versions.get(CHALLENGER, ""), "")
                problem = problem or other
            if reissued != old.reissued and not self._refresh_copies():
                reissued = old.reissued  # tried again at the next poll
            new = Aliases(
                champion=champion,
                challenger=challenger,
                registry="ok",
                error=problem,
                checked_at=now,
                reissued=reissued,
            )
        # Workers watch the time of the file, so it is written only if there is something to do.
        if msgspec.structs.replace(new, checked_at="") != msgspec.structs.replace(old, checked_at=""):
            log.info("aliases: %s", new)
            write_atomic(self.folder / "aliases.json", msgspec.json.encode(new))
            self._delete_old({new.champion, new.challenger, old.champion})
        with contextlib.suppress(OSError):  # a full disk
            (self.folder / POLLED).touch()
        return new

    def _provide(self, version: str, fallback: str) -> tuple[str, str]:
        """Return the version that can be served, and why it is not the given one; download it if needed."""
        if not version:
            gone = f"the registry names no champion any more; version {fallback} serves on"
            return fallback, gone if fallback else ""
        if self._is_whole(version):
            return version, ""
        when, problem = self._failed.get(version, (0.0, ""))
        if problem and time.monotonic() - when < _RETRY:
            return fallback, problem
        try:
            self._download(version)
        except Exception as error:
            # Whatever the registry answered. The error's own text may hold the registry's URL and password.
            problem = f"version {version} cannot be downloaded: {_reason(error)}"
            self._failed[version] = (time.monotonic(), problem)
            metrics.reloads.labels("download_failed").inc()
            log.error("%s", problem)
            return fallback, problem
        self._failed.pop(version, None)
        self._checked.add(version)
        return version, ""

    def _refresh_copies(self) -> bool:
        """Download every version on local disk anew, since a patient was erased from it; return whether all were."""
        complete = True
        for version in sorted(path.name for path in self.folder.iterdir() if path.name.isdigit()):
            try:
                self._download(version)
            except Exception as error:
                log.error("version %s cannot be refreshed: %s", version, _reason(error))
                complete = False
        return complete

    def _is_whole(self, version: str) -> bool:
        """Return whether a version is on disk as it was compiled; each version is checked once."""
        if version in self._checked:
            return (self.folder / version / MANIFEST).is_file()
        if not (self.folder / version).exists():
            return False
        try:
            read_manifest(self.folder / version)
            check_folder(self.folder / version, self._settings.trust)
        except (ArtifactError, OSError) as error:
            log.error("version %s on local disk is damaged and is downloaded again: %s", version, _reason(error))
            return False
        self._checked.add(version)
        return True

    def _download(self, version: str) -> None:
        """Download a version's artifact folder and check it; it gets its name only once it is complete."""
        if not version.isdigit():
            raise ValueError("the registry names a version that is not a number")
        answer = self._http.get(
            f"{_API}/model-versions/get", params={"name": self._settings.mlflow.model_name, "version": version}
        )
        run_id = answer.raise_for_status().json()["model_version"]["run_id"]
        temporary = self.folder / f".{version}.{os.getpid()}"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        try:
            self._fetch(run_id, MANIFEST, temporary)
            self._check_signature(run_id, temporary)
            names = msgspec.json.decode((temporary / MANIFEST).read_bytes())["files"]
            for name in names:
                if Path(name).name != name:
                    raise ArtifactError("the manifest names a file outside its folder")
                self._fetch(run_id, name, temporary)
            read_manifest(temporary)
            shutil.rmtree(self.folder / version, ignore_errors=True)  # a damaged one
            temporary.replace(self.folder / version)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        log.info("version %s is on local disk", version)

    def _check_signature(self, run_id: str, folder: Path) -> None:
        """Download the signature of a version and check it, before anything that the manifest names is downloaded.

        Raises:
            ArtifactError: The version is not signed by whom it must be.
        """
        if not self._settings.trust:
            return
        params = {"path": f"serving/{SIGNATURE}", "run_uuid": run_id}
        answer = self._http.get("/get-artifact", params=params, timeout=60)
        if answer.is_success:
            (folder / SIGNATURE).write_bytes(answer.content)
        check_folder(folder, self._settings.trust)

    def _fetch(self, run_id: str, name: str, folder: Path) -> None:
        params = {"path": f"serving/{name}", "run_uuid": run_id}
        with self._http.stream("GET", "/get-artifact", params=params, timeout=60) as answer:
            if answer.status_code != 200:
                raise ArtifactError(f"serving/{name} of run {run_id}: HTTP {answer.status_code}")
            with (folder / name).open("wb") as file:
                for chunk in answer.iter_bytes():
                    file.write(chunk)
                os.fsync(file.fileno())

    def _delete_old(self, used: set[str]) -> None:
        """Delete old versions; the newest stay on disk for a rollback without the network."""
        versions = sorted((p for p in self.folder.iterdir() if p.name.isdigit()), key=lambda p: -int(p.name))
        for path in versions[_KEPT:]:
            if path.name not in used:
                shutil.rmtree(path, ignore_errors=True)


def _reason(error: Exception) -> str:
    """Return why something failed without what the error quotes: URLs, paths, passwords."""
    if isinstance(error, ArtifactError):
        return str(error)
    if isinstance(error, httpx.HTTPStatusError):
        return f"HTTP {error.response.status_code}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror  # such as a full disk; without the path
    return type(error).__name__
