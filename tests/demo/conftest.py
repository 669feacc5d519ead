"""A real API with a real model of the synthetic sample, and the demo page in front of it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from bench.serving import peers, subject
from readmission.settings import Settings
from tests.conftest import free_port


@contextmanager
def demo_for(api: str) -> Iterator[str]:
    """Run `python -m serving.demo` in front of an API; give its URL."""
    port = free_port()
    variables = {"READMISSION_UI_PORT": str(port), "READMISSION_API_URL": api}
    process = subprocess.Popen([sys.executable, "-m", "serving.demo"], env=os.environ | variables)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/health").raise_for_status()
                break
            except httpx.HTTPError:
                assert process.poll() is None, "the demo ended"
                assert time.monotonic() < deadline, "the demo is not ready after 60 s"
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve a model trained on the synthetic sample; give the URL."""
    home = tmp_path_factory.mktemp("api")
    settings = Settings(_env_file=None, home=tmp_path_factory.mktemp("sample"))
    subject.prepare(settings, "", home, alternatives=False)
    with peers.running(peers.BY_NAME["ours"], free_port(), 1, home) as service:
        yield service.url


@pytest.fixture(scope="session")
def demo(api: str) -> Iterator[str]:
    """Serve the demo in front of the API; give its URL."""
    with demo_for(api) as url:
        yield url


@pytest.fixture(scope="session")
def demo_alone() -> Iterator[str]:
    """Serve the demo in front of nothing; give its URL."""
    with demo_for(f"http://127.0.0.1:{free_port()}") as url:
        yield url


@pytest.fixture(scope="session")
def sample_rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a csv of the synthetic sample with one row that cannot be scored."""
    from readmission.data import synthetic

    lines = synthetic.generate(2600, 11).decode().splitlines()[1:]
    cells = lines[3].split(",")
    cells[lines[0].split(",").index("age")] = "seventy"
    lines[3] = ",".join(cells)
    path = tmp_path_factory.mktemp("upload") / "ward.csv"
    path.write_text("\n".join(lines) + "\n")
    return path
