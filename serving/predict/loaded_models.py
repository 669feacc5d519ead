"""Models of one worker: which one answers, how another takes over, and why one did not.

The sidecar writes `aliases.json` beside the downloaded versions. Every worker watches that file, loads a new model
beside the old one, answers its golden rows, and swaps one reference. Nothing here uses the network: a worker starts
and serves while everything else is down.
"""

import asyncio
import contextlib
import logging
import os
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Literal

import msgspec

from readmission import scorer
from readmission.pseudonyms import PatientKey
from readmission.scorer.manifest import FORMS, ArtifactError
from readmission.signatures import NOBODY, Trust
from serving import metrics
from serving.predict import loading
from serving.predict.aliases import Aliases, read_aliases
from serving.predict.worker_status import WorkerStatus, delete_status, read_statuses, write_status

Variant = Literal["champion", "challenger"]
#: File beside the versions; creating it makes the sidecar poll the registry now.
POKE = "poke"
#: How often aliases.json is checked, and how long to wait before a failed load is retried, in seconds.
_POLL, _RETRY = 0.1, 30.0
log = logging.getLogger(__name__)


class LoadedModel(msgspec.Struct, frozen=True, kw_only=True):
    """Model that is ready to answer.

    Attributes:
        name: Registered model.
        version: Version in the registry.
        scorer: Scorer of the version.
        loaded_at: ISO 8601, UTC.
        inline: Whether it answers in microseconds, so that no thread is needed.
        bands: Names of its bands of risk, from the lowest; one empty name if it has none.
        edges: Risks at which each band but the first begins.
        cards: Its model card by form; empty if it has none.
    """

    name: str
    version: str
    scorer: scorer.Scorer
    loaded_at: str
    inline: bool
    bands: tuple[str, ...]
    edges: tuple[float, ...]
    cards: Mapping[str, bytes]

    def band(self, risk: float) -> str:
        """Return the name of the band of a risk."""
        return self.bands[bisect_right(self.edges, risk)]


class LoadedModels:
    """Models of one worker, exchanged while it answers.

    Args:
        folder: `$READMISSION_HOME/models/<registered model>`, with one folder per version.
        name: Registered model.
        share: Share of requests that the challenger answers, 0 to 1.
        keys: Keys that the visits of a version may be keyed with.
        trust: Whose signatures of versions count.
    """

    def __init__(
        self, folder: Path, name: str, share: float = 0.0, keys: Sequence[PatientKey] = (), trust: Trust = NOBODY
    ) -> None:
        self._folder, self._name, self._keys, self._trust = folder, name, keys, trust
        self._share = int(share * 2**32)
        self.champion: LoadedModel | None = None
        self.challenger: LoadedModel | None = None
        self._errors: dict[Variant, str] = {}
        self._reissued, self._stale = "", set[str]()
        self._modified = 0.0
        self._retry_at = 0.0
        self._stop = threading.Event()
        self._swap: Callable[[Variant, LoadedModel | None], None] = self._set

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Load what is on disk, then watch for changes from a thread."""
        self.refresh()
        self._swap = lambda variant, model: _wait(loop, lambda: self._set(variant, model))
        threading.Thread(target=self._watch, name="models", daemon=True).start()

    def stop(self) -> None:
        """Stop watching and delete this worker's file."""
        self._stop.set()
        delete_status(self._workers_folder)

    def route(self, key: bytes) -> tuple[LoadedModel | None, str]:
        """Choose by a stable hash of the key (patient or request) between champion and challenger."""
        challenger = self.challenger
        if challenger is not None and int.from_bytes(sha256(key).digest()[:4], "big") < self._share:
            return challenger, "challenger"
        return self.champion, "champion"

    def workers(self) -> list[WorkerStatus]:
        """Return what every worker of this replica serves."""
        return read_statuses(self._workers_folder)

    @property
    def error(self) -> str:
        """Why a version is not served that should be; empty if all are."""
        return self._errors.get("champion") or self._errors.get("challenger") or ""

    @property
    def aliases(self) -> Aliases:
        """Contents of aliases.json."""
        return read_aliases(self._folder)

    def refresh(self) -> None:
        """Load what aliases.json names and is not served yet."""
        aliases = self.aliases
        self._workers_folder.mkdir(parents=True, exist_ok=True)
        if aliases.reissued != self._reissued:
            # The files of these versions were written anew, so they are loaded anew.
            self._stale = {_version(self.champion), _version(self.challenger)} - {""}
            self._reissued = aliases.reissued
        self._change("champion", aliases.champion)
        self._change("challenger", aliases.challenger)
        status = WorkerStatus(os.getpid(), _version(self.champion), _version(self.challenger), self.error)
        write_status(self._workers_folder, status)

    @property
    def _workers_folder(self) -> Path:
        return self._folder / "workers"

    def _watch(self) -> None:
        while not self._stop.wait(_POLL):
            try:
                modified = (self._folder / "aliases.json").stat().st_mtime
                if modified != self._modified or (self.error and time.monotonic() > self._retry_at):
                    self._modified, self._retry_at = modified, time.monotonic() + _RETRY
                    self.refresh()
            except FileNotFoundError:
                continue
            except Exception:
                # The watcher must survive any failure.
                log.exception("watching the models failed")

    def _change(self, variant: Variant, version: str) -> None:
        serving = self.champion if variant == "champion" else self.challenger
        if version == _version(serving) and version not in self._stale:
            if version:
                self._errors.pop(variant, None)
            return
        if not version:
            # A champion never leaves without a successor; a challenger may.
            if variant == "challenger":
                self._errors.pop(variant, None)
                self._swap(variant, None)
            return
        started = time.perf_counter()
        try:
            fresh = self._load(version)
        except Exception as error:
            # Whatever is wrong with the new model, the old one goes on serving.
            reason = error.strerror if isinstance(error, OSError) else error
            self._errors[variant] = f"version {version} is not served: {reason}"
            metrics.reloads.labels("failed").inc()
            log.error("%s %s", variant, self._errors[variant])
            if serving is None and variant == "champion":
                self._fall_back(version)
            return
        self._swap(variant, fresh)
        self._stale.discard(version)
        self._errors.pop(variant, None)
        metrics.reloads.labels("swapped").inc()
        if variant == "champion":
            metrics.load_seconds.set(time.perf_counter() - started)
            metrics.loaded_at.set(time.time())
        log.info("%s is version %s after %.0f ms", variant, version, 1e3 * (time.perf_counter() - started))

    def _fall_back(self, version: str) -> None:
        """Serve the newest other version on disk rather than none; the named one if no other can be loaded."""
        numbers = (path.name for path in self._folder.iterdir() if path.name.isdigit() and path.name != version)
        for other in sorted(numbers, key=int, reverse=True):
            try:
                fresh = self._load(other)
            except Exception as error:
                log.warning("version %s cannot be served in its place: %s", other, type(error).__name__)
                continue
            log.warning("version %s is served in its place", other)
            self._swap("champion", fresh)
            return
        if loading.deaths(self._workers_folder, version):
            log.warning("version %s is loaded all the same: there is no other", version)
            with contextlib.suppress(Exception):
                self._swap("champion", self._load(version, in_spite_of_deaths=True))

    def _load(self, version: str, *, in_spite_of_deaths: bool = False) -> LoadedModel:
        folder, marks = self._folder / version, self._workers_folder
        if not in_spite_of_deaths and loading.deaths(marks, version) >= loading.MOST_DEATHS:
            raise ArtifactError("processes that loaded it ended at once: too little memory, or a broken model")
        with loading.attempt(marks, version):
            fresh = loading.load_checked(folder, self._keys, self._trust)
        bands = fresh.manifest.bands
        return LoadedModel(
            name=self._name,
            version=version,
            scorer=fresh,
            loaded_at=datetime.now(UTC).isoformat(timespec="seconds"),
            inline=fresh.manifest.engine != "pipeline",
            bands=tuple(band.name for band in bands) or ("",),
            edges=tuple(band.at_least for band in bands[1:]),
            cards={form: (folder / name).read_bytes() for form, name in FORMS.items() if name in fresh.manifest.files},
        )

    def _set(self, variant: Variant, fresh: LoadedModel | None) -> None:
        old = self.champion if variant == "champion" else self.challenger
        if variant == "champion":
            self.champion = fresh
        else:
            self.challenger = fresh
        for model, value in ((old, 0), (fresh, 1)):
            if model is not None:
                m = model.scorer.manifest
                labels = (model.name, model.version, m.family, m.engine, variant, str(m.synthetic).lower())
                metrics.serving.labels(*labels).set(value)


def _version(model: LoadedModel | None) -> str:
    return model.version if model else ""


def _wait(loop: asyncio.AbstractEventLoop, action: Callable[[], None]) -> None:
    """Run `action` in the loop's thread, between two requests, and wait for it."""
    done = threading.Event()

    def run() -> None:
        action()
        done.set()

    loop.call_soon_threadsafe(run)
    done.wait(10)
