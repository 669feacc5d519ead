"""Fixtures of all tests: a real Postgres, a real MLflow server, the synthetic sample, the real data if it is there."""

import gc
import itertools
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from readmission.backup import databases
from readmission.data import synthetic
from readmission.embedded import component, pgserver, secrets
from readmission.settings import Settings, load_settings
from readmission.steps import migrate

REAL_DATA = Path(
    os.environ.get("READMISSION_TEST_DATA", Path(__file__).parents[2] / "shared" / "data" / "dataset_diabetes.zip")
)
#: Folder that keeps the pictures of pages, as an artifact of a run; empty where pytest is to delete them.
PICTURES = os.environ.get("READMISSION_TEST_PICTURES", "")

# How long an example takes says more of the machine than of the code.
hypothesis_settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("house")

# Threads of OpenMP sleep while they wait for each other: on cores that they share with other tests, those that spin
# take ten times the processor time of the work itself. Each process reads it when it loads a library of models.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# A developer's own settings must not reach the tests. Those of the tests must reach every process of a run.
for name in [
    name for name in os.environ if name.startswith("READMISSION_") and not name.startswith("READMISSION_TEST_")
]:
    del os.environ[name]


#: What takes more than half a minute. It begins first, or one process would wait for the other at the end.
SLOW = (
    "tests/system/test_real_data.py",
    "tests/system/",
    "tests/integration/year/test_quarter.py",
    "tests/dags/test_chain.py",
    "tests/dags/test_privacy.py",
    "tests/integration/api/test_fuzz_clinic.py",
    "tests/integration/api/test_fuzz.py",
    "tests/integration/training/test_tutorials.py",
    "tests/integration/api/test_leaks_of_steps.py",
    "tests/integration/training/test_train_and_promote.py",
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection() -> None:
    """Look for no garbage while modules are imported: nearly all of it stays, and looking takes half of the time."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Look for garbage again, but not in what was imported."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the slow tests first, each file in its order."""
    items.sort(key=lambda item: [not item.nodeid.startswith(name) for name in SLOW])


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling:
    """Keep a file in one process, and tests/system, whose files share one running system in their order.

    The tests of faults, of real data and of the update run systems of their own, so another process may take them.
    """

    class ByFile(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            alone = ("/test_faults.py", "/test_real_data.py", "/test_update.py")
            shared = file.startswith("tests/system/") and not file.endswith(alone)
            return "tests/system" if shared else file

    return ByFile(config, log)


def _ports() -> Iterator[int]:
    """Go through this process's ports: below those that connections get, and none of another process of this run."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 4
    return itertools.cycle(20_000 + 3_000 * worker + (os.getpid() + number) % 3_000 for number in range(3_000))


_PORTS = _ports()


def free_port() -> int:
    """Return a TCP port of the loopback that nobody listens on now, or is given while a part of a test is down."""
    while True:
        port = next(_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def wait_until(ready: Callable[[], bool], seconds: float, process: subprocess.Popen[bytes]) -> None:
    """Poll until it is ready; fail when the process ends or the time is over."""
    deadline = time.monotonic() + seconds
    while not ready():
        assert process.poll() is None, f"{process.args!r} ended with {process.returncode}"
        assert time.monotonic() < deadline, f"{process.args!r} is not ready after {seconds} s"
        time.sleep(0.1)


@pytest.fixture(autouse=True)
def _fresh_settings() -> Iterator[None]:
    load_settings.cache_clear()
    yield
    load_settings.cache_clear()


def make_settings(home: Path, **values: object) -> Settings:
    """Return settings of one state folder, with its secrets and nothing from outside."""
    return Settings(_env_file=[secrets.ensure(home)], home=home, **values)  # type: ignore[arg-type]


@contextmanager
def run_postgres(home: Path) -> Iterator[Settings]:
    """Run a real PostgreSQL with migrated databases."""
    settings = make_settings(home, postgres_port=free_port())
    pgserver.initialise(settings)
    process = subprocess.Popen([*pgserver.command(settings), "-c", "fsync=off"], cwd="/")
    try:
        wait_until(pgserver.accepts(settings), 30, process)
        migrate.run(settings)
        yield settings
    finally:
        process.send_signal(2)
        process.wait(30)


@contextmanager
def administer(settings: Settings) -> Iterator[Any]:
    """Give a cursor of the administrator, who commits each statement."""
    connection = databases.connect(settings)
    connection.autocommit = True
    with closing(connection), connection.cursor() as cursor:
        yield cursor


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Run a PostgreSQL; its settings name the template of `database`."""
    with run_postgres(tmp_path_factory.mktemp("postgres")) as settings:
        yield settings


@pytest.fixture
def database(postgres_server: Settings, tmp_path: Path) -> Iterator[Settings]:
    """Give settings with a fresh, migrated database and state folder of the test's own."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with administer(postgres_server) as cursor:
        cursor.execute(f"CREATE DATABASE {name} TEMPLATE {postgres_server.postgres.database} OWNER readmission_owner")
        cursor.execute(f"GRANT CONNECT, TEMPORARY ON DATABASE {name} TO PUBLIC")
    yield postgres_server.replace(postgres_database=name, home=tmp_path / "home")
    with administer(postgres_server) as cursor:
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def mlflow_server(postgres_server: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a real MLflow server on the Postgres of the tests; gives its URL."""
    port = free_port()
    log = tmp_path_factory.mktemp("mlflow") / "mlflow.log"
    environment = os.environ | {
        "READMISSION_HOME": str(postgres_server.home),
        "READMISSION_POSTGRES_PORT": str(postgres_server.postgres.port),
        "READMISSION_MLFLOW_PORT": str(port),
    }
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "readmission.embedded.mlflow"],
            env=environment,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        wait_until(component.answers(f"http://127.0.0.1:{port}/health"), 120, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a synthetic csv of 2,000 encounters."""
    path = tmp_path_factory.mktemp("sample") / "sample.csv"
    path.write_bytes(synthetic.generate(2000, seed=7))
    return path


@pytest.fixture(scope="session")
def real_source() -> Path:
    """Give the real data set's path, or skip."""
    if not REAL_DATA.is_file():
        pytest.skip(f"the real data is not at {REAL_DATA}: set READMISSION_TEST_DATA to the UCI zip or csv")
    return REAL_DATA
