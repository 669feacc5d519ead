"""Bring the models that the registry names to local disk, by MLflow's REST interface alone.

MLflow's client would bring pandas and half a second of imports into a process that reads four URLs.
"""

import logging
import os
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx
import msgspec

from readmission.registry.aliases import CHALLENGER, CHAMPION, RegistryError, fetch_aliases
from readmission.scorer import manifest as manifests
from readmission.scorer.manifest import ArtifactError
from readmission.settings import Settings
from serving import metrics
from serving.predict.loaded_models import Aliases, read_aliases, write_whole

_API = "/api/2.0/mlflow"
#: Seconds before a version that could not be had is tried again.
_RETRY = 20.0
_KEPT = 5
log = logging.getLogger(__name__)


class ModelSync:
    """Follow the aliases of one registered model.

    Args:
        settings: which server, which model, whether the challenger is used.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.folder = settings.home / "models" / settings.model_name
        self.folder.mkdir(parents=True, exist_ok=True)
        self._http = httpx.Client(base_url=settings.tracking_uri, timeout=10, trust_env=False)
        self._failed: dict[str, tuple[float, str]] = {}

    def look(self) -> Aliases:
        """Read the aliases, bring what is missing, and write aliases.json.

        A registry that cannot be read, or a version that cannot be had, leaves what is served as it is.
        """
        known = read_aliases(self.folder)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        try:
            wanted = fetch_aliases(self._http, self._settings.model_name)
        except RegistryError as error:
            metrics.registry_up.set(0)
            told = f"cannot be read: {type(error.__cause__).__name__}"
            found = msgspec.structs.replace(known, registry=told, checked_at=now)
        else:
            metrics.registry_up.set(1)
            champion, problem = self._have(wanted.get(CHAMPION, ""), known.champion)
            challenger = ""
            if self._settings.challenger != "off":
                challenger, other = self._have(wanted.get(CHALLENGER, ""), "")
                problem = problem or other
            found = Aliases(champion=champion, challenger=challenger, registry="ok", error=problem, checked_at=now)
        if self._told(found) != self._told(known):
            log.info("aliases: %s", found)
        # Workers look at the time of the file: it changes only when there is something to do.
        if msgspec.structs.replace(found, checked_at="") != msgspec.structs.replace(known, checked_at=""):
            write_whole(self.folder / "aliases.json", msgspec.json.encode(found))
            self._forget({found.champion, found.challenger, known.champion})
        return found

    @staticmethod
    def _told(aliases: Aliases) -> tuple[str, ...]:
        return aliases.champion, aliases.challenger, aliases.registry, aliases.error

    def _have(self, version: str, fallback: str) -> tuple[str, str]:
        """Return the version that can be served, and why it is not the wanted one."""
        if not version or (self.folder / version / manifests.MANIFEST).is_file():
            return version or fallback, ""
        when, told = self._failed.get(version, (0.0, ""))
        if told and time.monotonic() - when < _RETRY:
            return fallback, told
        try:
            self._download(version)
        except (httpx.HTTPError, ArtifactError, OSError, ValueError, KeyError) as error:
            told = f"version {version} cannot be had: {error or type(error).__name__}"
            self._failed[version] = (time.monotonic(), told)
            metrics.reloads.labels("download_failed").inc()
            log.error("%s", told)
            return fallback, told
        self._failed.pop(version, None)
        return version, ""

    def _download(self, version: str) -> None:
        """Bring a version's artifact folder, check it, and give it its name only when it is whole."""
        if not version.isdigit():
            raise ValueError("the registry names a version that is not a number")
        answer = self._http.get(
            f"{_API}/model-versions/get", params={"name": self._settings.model_name, "version": version}
        )
        run_id = answer.raise_for_status().json()["model_version"]["run_id"]
        temporary = self.folder / f".{version}.{os.getpid()}"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        try:
            self._fetch(run_id, manifests.MANIFEST, temporary)
            names = msgspec.json.decode((temporary / manifests.MANIFEST).read_bytes())["files"]
            for name in names:
                if Path(name).name != name:
                    raise ArtifactError("the manifest names a file outside its folder")
                self._fetch(run_id, name, temporary)
            manifests.read(temporary)
            temporary.replace(self.folder / version)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        log.info("version %s is on local disk", version)

    def _fetch(self, run_id: str, name: str, folder: Path) -> None:
        place = {"path": f"serving/{name}", "run_uuid": run_id}
        with self._http.stream("GET", "/get-artifact", params=place, timeout=60) as answer:
            if answer.status_code != 200:
                raise ArtifactError(f"serving/{name} of run {run_id}: HTTP {answer.status_code}")
            with (folder / name).open("wb") as file:
                for chunk in answer.iter_bytes():
                    file.write(chunk)
                os.fsync(file.fileno())

    def _forget(self, used: set[str]) -> None:
        """Keep the newest versions on disk, for a rollback without the network."""
        versions = sorted((p for p in self.folder.iterdir() if p.name.isdigit()), key=lambda p: -int(p.name))
        for path in versions[_KEPT:]:
            if path.name not in used:
                shutil.rmtree(path, ignore_errors=True)
