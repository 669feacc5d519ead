"""The models of one worker: which answers, how another takes over, and why one did not.

The sidecar writes `aliases.json` beside the downloaded versions; every worker watches that file, loads beside
the old model, answers the golden rows, and swaps one reference. No network here: a worker starts and serves
with everything else down.
"""

import asyncio
import logging
import os
import threading
import time
from bisect import bisect_right
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Literal

import msgspec

from readmission import scorer
from readmission.scorer import manifest as manifests
from serving import metrics

Variant = Literal["champion", "challenger"]
#: File beside the versions; touching it makes the sidecar look at the registry now.
POKE = "poke"
_LOOK = 0.1
_RETRY = 30.0
log = logging.getLogger(__name__)


class Aliases(msgspec.Struct, frozen=True, kw_only=True):
    """Say what the sidecar found: the contents of aliases.json.

    Attributes:
        champion, challenger: version to serve, present and checked on local disk; empty: none.
        registry: ``ok``, or why the registry could not be read.
        error: why the version that the registry names is not the one above; empty: it is.
        checked_at: ISO 8601, UTC.
    """

    champion: str = ""
    challenger: str = ""
    registry: str = ""
    error: str = ""
    checked_at: str = ""


class WorkerStatus(msgspec.Struct, frozen=True):
    """Say what one worker serves: the contents of its file in `workers/`."""

    pid: int
    champion: str
    challenger: str
    error: str


class LoadedModel(msgspec.Struct, frozen=True):
    """Hold one loaded model.

    Attributes:
        name, version: of the registry.
        scorer: answers.
        loaded_at: ISO 8601, UTC.
        inline: it answers in microseconds, no thread is needed.
        bands: names of its bands of risk, from the lowest; one empty name when it has none.
        edges: risks at which each band but the first begins.
        card: page of its model card; empty: it came without.
    """

    name: str
    version: str
    scorer: scorer.Scorer
    loaded_at: str
    inline: bool
    bands: tuple[str, ...]
    edges: tuple[float, ...]
    card: bytes

    def band(self, risk: float) -> str:
        """Name the band of a risk."""
        return self.bands[bisect_right(self.edges, risk)]


def read_aliases(folder: Path) -> Aliases:
    """Read aliases.json; empty when there is none yet."""
    try:
        return msgspec.json.decode((folder / "aliases.json").read_bytes(), type=Aliases)
    except (FileNotFoundError, msgspec.DecodeError):
        return Aliases()


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(data)
    temporary.replace(path)


class LoadedModels:
    """Hold and change the models of one worker.

    Args:
        folder: `$READMISSION_HOME/models/<registered model>`, one folder a version.
        name: registered model.
        share: of requests that the challenger answers.
    """

    def __init__(self, folder: Path, name: str, share: float = 0.0) -> None:
        self._folder, self._name = folder, name
        self._share = int(share * 2**32)
        self.champion: LoadedModel | None = None
        self.challenger: LoadedModel | None = None
        self.error = ""
        self._seen = 0.0
        self._retry_at = 0.0
        self._stop = threading.Event()
        self._swap: Callable[[Variant, LoadedModel | None], None] = self._set

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Serve what is on disk, then watch for changes from a thread."""
        self.refresh()
        self._swap = lambda variant, served: _wait(loop, lambda: self._set(variant, served))
        threading.Thread(target=self._watch, name="models", daemon=True).start()

    def stop(self) -> None:
        """Stop watching and take this worker's line away."""
        self._stop.set()
        self._status_path.unlink(missing_ok=True)

    def route(self, key: bytes) -> tuple[LoadedModel | None, str]:
        """Choose by a stable hash of the key (patient or request) between champion and challenger."""
        challenger = self.challenger
        if challenger is not None and int.from_bytes(sha256(key).digest()[:4], "big") < self._share:
            return challenger, "challenger"
        return self.champion, "champion"

    def workers(self) -> list[WorkerStatus]:
        """Return what every worker of this replica serves."""
        found = []
        for path in sorted((self._folder / "workers").glob("*.json")):
            try:
                found.append(msgspec.json.decode(path.read_bytes(), type=WorkerStatus))
            except (FileNotFoundError, msgspec.DecodeError):
                continue
        return found

    @property
    def aliases(self) -> Aliases:
        """Return what the sidecar said last."""
        return read_aliases(self._folder)

    def refresh(self) -> None:
        """Load what aliases.json names and is not served yet."""
        wanted = self.aliases
        self._change("champion", wanted.champion)
        self._change("challenger", wanted.challenger)
        status = WorkerStatus(os.getpid(), _version(self.champion), _version(self.challenger), self.error)
        write_whole(self._status_path, msgspec.json.encode(status))

    @property
    def _status_path(self) -> Path:
        return self._folder / "workers" / f"{os.getpid()}.json"

    def _watch(self) -> None:
        while not self._stop.wait(_LOOK):
            try:
                stamp = (self._folder / "aliases.json").stat().st_mtime
                if stamp != self._seen or (self.error and time.monotonic() > self._retry_at):
                    self._seen, self._retry_at = stamp, time.monotonic() + _RETRY
                    self.refresh()
            except FileNotFoundError:
                continue
            except Exception:
                # The watcher must outlive whatever it meets; what it met is logged.
                log.exception("watching the models failed")

    def _change(self, variant: Variant, version: str) -> None:
        served = self.champion if variant == "champion" else self.challenger
        if version == _version(served):
            if variant == "champion" and version:
                self.error = ""
            return
        if not version:
            # A champion never goes without a successor; a challenger may.
            if variant == "challenger":
                self._swap(variant, None)
            return
        started = time.perf_counter()
        try:
            fresh = self._load(version)
        except Exception as error:
            # Whatever is wrong with the new model, the old one serves on.
            self.error = f"version {version} is not served: {error}"
            metrics.reloads.labels("failed").inc()
            log.error("%s %s", variant, self.error)
            return
        self._swap(variant, fresh)
        self.error = ""
        metrics.reloads.labels("swapped").inc()
        if variant == "champion":
            metrics.load_seconds.set(time.perf_counter() - started)
            metrics.loaded_at.set(time.time())
        log.info("%s is version %s after %.0f ms", variant, version, 1e3 * (time.perf_counter() - started))

    def _load(self, version: str) -> LoadedModel:
        folder = self._folder / version
        fresh = scorer.load(folder)
        # The golden rows are the warm-up too.
        scorer.check_golden(fresh, manifests.golden(folder))
        moment = datetime.now(UTC).isoformat(timespec="seconds")
        bands = fresh.manifest.bands
        return LoadedModel(
            self._name, version, fresh, moment, fresh.manifest.engine != "pipeline",
            tuple(band.name for band in bands) or ("",), tuple(band.at_least for band in bands[1:]),
            (folder / manifests.CARD).read_bytes() if manifests.CARD in fresh.manifest.files else b"",
        )  # fmt: skip

    def _set(self, variant: Variant, served: LoadedModel | None) -> None:
        old = self.champion if variant == "champion" else self.challenger
        if variant == "champion":
            self.champion = served
        else:
            self.challenger = served
        for model, value in ((old, 0), (served, 1)):
            if model is not None:
                m = model.scorer.manifest
                labels = (model.name, model.version, m.family, m.engine, variant, str(m.synthetic).lower())
                metrics.serving.labels(*labels).set(value)


def _version(served: LoadedModel | None) -> str:
    return served.version if served else ""


def _wait(loop: asyncio.AbstractEventLoop, action: Callable[[], None]) -> None:
    """Run `action` in the loop's thread, between two requests, and wait for it."""
    done = threading.Event()

    def run() -> None:
        action()
        done.set()

    loop.call_soon_threadsafe(run)
    done.wait(10)
