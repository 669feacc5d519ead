"""The services of the comparison: how each is started, called and stopped."""

import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from urllib.error import URLError
from urllib.request import urlopen

import msgspec

from loadtest import payloads
from loadtest.payloads import Record
from loadtest.processes import Watch
from readmission import contract
from readmission.errors import UserError
from readmission.polling import wait_until

log = logging.getLogger(__name__)

Command = Callable[[int, int, Path], list[str]]
Body = Callable[[Sequence[Record]], bytes]

#: Checkout of another commit, below the home of the services. Without it, that peer cannot run.
BASELINE = "baseline-checkout"


@dataclass(frozen=True, kw_only=True)
class Peer:
    """One service of the comparison.

    Attributes:
        command: Command line by port, workers and home.
        ready: Path that answers 200 as soon as the service can predict.
        single, many: Path and body of one encounter and of a batch. Without `many`, it takes no batches.
    """

    name: str
    label: str
    command: Command
    ready: str
    single: tuple[str, Body]
    many: tuple[str, Body] | None = None


def _python(*arguments: str) -> list[str]:
    return [sys.executable, "-m", *arguments]


def _uvicorn(app: str) -> Command:
    return lambda port, workers, _: _python(
        "uvicorn",
        f"bench.serving.apps.{app}:app",
        "--port",
        str(port),
        "--workers",
        str(workers),
        "--log-level",
        "warning",
        "--no-access-log",
    )


def _mlflow(port: int, workers: int, home: Path) -> list[str]:
    command = _python("mlflow", "models", "serve", "-m", str(home / "pyfunc"), "--env-manager", "local")
    return [*command, "--host", "127.0.0.1", "--port", str(port), "--workers", str(workers)]


def _stock(port: int, workers: int, home: Path) -> list[str]:
    return _python("bentoml", "serve", "bench.serving.apps.stock:Stock", "--host", "127.0.0.1", "--port", str(port))


def _baseline(port: int, workers: int, home: Path) -> list[str]:
    """Run the API of the commit in `BASELINE` on a copy of the model, with the packages of this commit."""
    own, checkout = home / "baseline", home / BASELINE
    shutil.copytree(home / "models", own / "models", dirs_exist_ok=True)
    variables = {"READMISSION_HOME": own, "PYTHONPATH": f"{checkout / 'pipelines'}{os.pathsep}{checkout}"}
    # A module is searched for in the working directory first.
    return ["env", "-C", str(checkout), *(f"{k}={v}" for k, v in variables.items()), *_python("serving.server")]


def _first(records: Sequence[Record]) -> bytes:
    return payloads.single(records[0])


def _list(records: Sequence[Record]) -> bytes:
    return msgspec.json.encode(records)


def _records(records: Sequence[Record]) -> bytes:
    return payloads.batch(list(records))


def _split(records: Sequence[Record]) -> bytes:
    numbers = {c.name for c in contract.FEATURE_COLUMNS if c.is_number}
    rows = [[float(r[name]) if name in numbers else r[name] for name in contract.FEATURE_NAMES] for r in records]
    return msgspec.json.encode({"dataframe_split": {"columns": contract.FEATURE_NAMES, "data": rows}})


_OURS = Peer(
    name="ours",
    label="readmission API",
    command=lambda port, workers, home: _python("serving.server"),
    ready="/readyz",
    single=("/predict", _first),
    many=("/predict_batch", _records),
)
PEERS: tuple[Peer, ...] = (
    _OURS,
    replace(_OURS, name="baseline", label="readmission API of the baseline commit", command=_baseline),
    Peer(
        name="mlflow",
        label="mlflow models serve",
        command=_mlflow,
        ready="/ping",
        single=("/invocations", _split),
        many=("/invocations", _split),
    ),
    Peer(
        name="pyfunc",
        label="FastAPI + MLflow pyfunc, one-row DataFrame",
        command=_uvicorn("pyfunc"),
        ready="/docs",
        single=("/predict", _first),
        many=("/predict_batch", _list),
    ),
    Peer(
        name="stock",
        label="BentoML API with the sklearn Pipeline",
        command=_stock,
        ready="/readyz",
        single=("/predict", _records),
        many=("/predict", _records),
    ),
    Peer(
        name="noop",
        label="FastAPI + pydantic, no model",
        command=_uvicorn("noop"),
        ready="/docs",
        single=("/predict", _first),
    ),
    Peer(
        name="echo",
        label="bare ASGI echo (the limit)",
        command=_uvicorn("echo"),
        ready="/",
        single=("/predict", _first),
        many=("/", _records),
    ),
)
BY_NAME = {peer.name: peer for peer in PEERS}


class Running:
    """A running service."""

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
        peer: The service.
        port: Port on the loopback address.
        workers: Number of worker processes.
        home: Folder of the model (`subject.prepare`).
        settings: Additional `READMISSION_*` variables, without the prefix.

    Raises:
        UserError: It ended or did not become ready. The message holds its last lines.
    """
    own = {"HOME": str(home), "API_PORT": str(port), "API_WORKERS": str(workers), **settings}
    variables = {f"READMISSION_{name}": value for name, value in own.items()}
    variables |= {"BENTOML_HOME": str(home / f"bentoml-{peer.name}"), "BENTOML_DO_NOT_TRACK": "True"}
    # MLflow starts uvicorn by its name.
    variables |= {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}"}
    variables |= {"MLFLOW_DISABLE_TELEMETRY": "true", "OMP_NUM_THREADS": "1"}
    path = home / f"{peer.name}-{port}.log"
    begun = perf_counter()
    with path.open("wb") as log_file:
        process = subprocess.Popen(
            peer.command(port, workers, home),
            env=os.environ | variables,
            stdout=log_file,
            stderr=log_file,
            start_new_session=True,
        )
    try:
        _wait(process, f"http://127.0.0.1:{port}{peer.ready}", path)
        yield Running(peer, port, process, perf_counter() - begun)
    finally:
        _stop(process)


def _wait(process: subprocess.Popen[bytes], url: str, path: Path, seconds: float = 240.0) -> None:
    def failure() -> str:
        tail = "\n".join(path.read_text(errors="replace").splitlines()[-8:])
        return f"{process.args!r} is not ready ({process.poll()}):\n{tail}"

    def is_ready() -> bool:
        if process.poll() is not None:
            raise UserError(failure())
        try:
            with urlopen(url, timeout=5) as answer:  # noqa: S310 - our own loopback address
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    wait_until(is_ready, seconds=seconds, every=0.05, failure=failure)


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
