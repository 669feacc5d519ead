"""A real API with a real model of the synthetic sample, and the demo page in front of it."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from bench.serving import peers, subject
from readmission.settings import Settings
from tests.conftest import PICTURES, free_port

#: Debian's name first. Without any of them, the tests in a browser are skipped.
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")


@contextmanager
def demo_for(api: str) -> Iterator[str]:
    """Run the demo in front of an API; give its URL."""
    with demo_process(api) as (url, _):
        yield url


@contextmanager
def demo_process(api: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run `python -m serving.demo` in front of an API; give its URL and process."""
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
        yield f"http://127.0.0.1:{port}", process
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


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Start Chromium.

    Playwright's event loop runs in this thread until the driver stops, so later modules could not call asyncio.run.
    """
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield started
        started.close()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder for pictures of pages: READMISSION_TEST_PICTURES, else one that pytest deletes."""
    path = Path(PICTURES) if PICTURES else tmp_path_factory.mktemp("pictures")
    path.mkdir(parents=True, exist_ok=True)
    return path


@pytest.fixture
def page(browser: Any, demo: str) -> Iterator[Any]:
    """Open the demo in a light tab of 1280 pixels."""
    yield from opened(browser, demo)


def opened(browser: Any, url: str, width: int = 1280, scheme: str = "light") -> Iterator[Any]:
    """Open the page in a tab of one width and colour scheme; the tab lists requests to other hosts as `outside`."""
    tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    tab.outside = []
    host = "/".join(url.split("/")[:3])
    tab.on("request", lambda r: tab.outside.append(r.url) if not r.url.startswith((host, "data:", "blob:")) else None)
    tab.goto(url)
    tab.wait_for_selector("#estimate")
    yield tab
    tab.close()
