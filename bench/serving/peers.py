"""The services side by side: how each is started, asked and stopped."""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from urllib.error import URLError
from urllib.request import urlopen

import msgspec

from loadtest import payloads
from loadtest.payloads import Record
from loadtest.processes import Watch
from readmission import contract

log = logging.getLogger(__name__)

Command = Callable[[int, int, Path], list[str]]
Body = Callable[[Sequence[Record]], bytes]


@dataclass(frozen=True)
class Peer:
    """Describe one service.

    Attributes:
        command: its command line by port, workers and home.
        ready: path that answers 200 once it can predict.
        single, many: path and body of one encounter and of a batch; no `many`: it takes none.
    """

    name: str
    label: str
    command: Command
    ready: str
    single: tuple[str, Body]
    many: tuple[str, Body] | None = None


def _python(*words: str) -> list[str]:
    return [sys.executable, "-m", *words]


def _uvicorn(app: str) -> Command:
    return lambda port, workers, _: _python(
        "uvicorn", f"bench.serving.apps.{app}:app", "--port", str(port), "--workers", str(workers),
        "--log-level", "warning", "--no-access-log",
    )  # fmt: skip


def _mlflow(port: int, workers: int, home: Path) -> list[str]:
    words = _python("mlflow", "models", "serve", "-m", str(home / "pyfunc"), "--env-manager", "local")
    return [*words, "--host", "127.0.0.1", "--port", str(port), "--workers", str(workers)]


def _stock(port: int, workers: int, home: Path) -> list[str]:
    return _python("bentoml", "serve", "bench.serving.apps.stock:Stock", "--host", "127.0.0.1", "--port", str(port))


def _one(records: Sequence[Record]) -> bytes:
    return payloads.single(records[0])


def _list(records: Sequence[Record]) -> bytes:
    return msgspec.json.encode(records)


def _records(records: Sequence[Record]) -> bytes:
    return payloads.batch(list(records))


def _split(records: Sequence[Record]) -> bytes:
    numbers = {c.name for c in contract.FEATURE_COLUMNS if c.is_number}
    rows = [[float(r[name]) if name in numbers else r[name] for name in contract.FEATURE_NAMES] for r in records]
    return msgspec.json.encode({"dataframe_split": {"columns": contract.FEATURE_NAMES, "data": rows}})


PEERS: tuple[Peer, ...] = (
    Peer(
        "ours", "readmission API", lambda port, workers, home: _python("serving.server"), "/readyz",
        ("/predict", _one), ("/predict_batch", _records),
    ),
    Peer(
        "mlflow", "mlflow models serve", _mlflow, "/ping",
        ("/invocations", _split), ("/invocations", _split),
    ),
    Peer(
        "pyfunc", "FastAPI + MLflow pyfunc, one-row DataFrame", _uvicorn("pyfunc"), "/docs",
        ("/predict", _one), ("/predict_batch", _list),
    ),
    Peer(
        "stock", "BentoML API with the sklearn Pipeline", _stock, "/readyz",
        ("/predict", _records), ("/predict", _records),
    ),
    Peer("noop", "FastAPI + pydantic, no model", _uvicorn("noop"), "/docs", ("/predict", _one)),
    Peer("echo", "bare ASGI echo (the limit)", _uvicorn("echo"), "/", ("/predict", _one), ("/", _records)),
)  # fmt: skip
BY_NAME = {peer.name: peer for peer in PEERS}


class NotReadyError(RuntimeError):
    """A service ended, or did not get ready in time."""


class Running:
    """Hold a started service."""

    def __init__(self, peer: Peer, port: int, process: subprocess.Popen[bytes], cold_start: float) -> None:
        self.peer, self.process, self.cold_start = peer, process, cold_start
        self.url = f"http://127.0.0.1:{port}"
        self.watch = Watch(process.pid)

    @property
    def memory_mb(self) -> float:
        """Return the memory (PSS) of all its processes."""
        measured = self.watch.measure()
        return measured[1] if measured else 0.0


@contextmanager
def running(peer: Peer, port: int, workers: int, home: Path, **settings: str) -> Iterator[Running]:
    """Start a service, wait until it is ready, and stop it with all its processes at the end.

    Args:
        peer: which.
        port: of the loopback.
        workers: processes that answer.
        home: of the model (`subject.prepare`).
        settings: more `READMISSION_*` variables, without the prefix.

    Raises:
        NotReadyError: it ended or did not get ready; the last lines it said are in the message.
    """
    own = {"HOME": str(home), "API_PORT": str(port), "API_WORKERS": str(workers), **settings}
    variables = {f"READMISSION_{name}": value for name, value in own.items()}
    variables |= {"BENTOML_HOME": str(home / f"bentoml-{peer.name}"), "BENTOML_DO_NOT_TRACK": "True"}
    # MLflow starts uvicorn by its name.
    variables |= {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}"}
    variables |= {"MLFLOW_DISABLE_TELEMETRY": "true", "OMP_NUM_THREADS": "1"}
    path = home / f"{peer.name}-{port}.log"
    begun = perf_counter()
    with path.open("wb") as said:
        process = subprocess.Popen(
            peer.command(port, workers, home), env=os.environ | variables, stdout=said, stderr=said,
            start_new_session=True,
        )  # fmt: skip
    try:
        _wait(process, f"http://127.0.0.1:{port}{peer.ready}", path)
        yield Running(peer, port, process, perf_counter() - begun)
    finally:
        _stop(process)


def _wait(process: subprocess.Popen[bytes], url: str, path: Path, seconds: float = 240.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with urlopen(url, timeout=5) as answer:  # noqa: S310 - our own loopback address
                if answer.status == 200:
                    return
        except (URLError, OSError):
            pass
        if process.poll() is not None:
            break
        time.sleep(0.05)
    tail = "\n".join(path.read_text(errors="replace").splitlines()[-8:])
    raise NotReadyError(f"{process.args!r} is not ready ({process.poll()}):\n{tail}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a service and what it started; they share its session and nothing else does."""
    for number, seconds in ((signal.SIGTERM, 15), (signal.SIGKILL, 5)):
        if process.poll() is None:
            os.killpg(process.pid, number)
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                continue
        break
