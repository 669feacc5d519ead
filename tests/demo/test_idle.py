"""What the demo's process takes of its machine."""

import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from tests.demo.conftest import demo_process, opened

#: What the issue allows an idle demo, in MB.
MEMORY = 200


@pytest.fixture(scope="module")
def served(api: str) -> Iterator[tuple[str, psutil.Process]]:
    """Serve a demo of its own; give its URL and process."""
    with demo_process(api) as (url, process):
        yield url, psutil.Process(process.pid)


def test_an_idle_demo_is_small_and_uses_no_cpu(browser: Any, served: tuple[str, psutil.Process]) -> None:
    url, process = served
    for language in ("", "es/", "", "es/"):
        for page in opened(browser, f"{url}/{language}"):
            page.locator("#presets button").nth(2).click()
            page.wait_for_selector("#answer .answer")
    time.sleep(2)
    before = process.cpu_times()
    time.sleep(10)
    after = process.cpu_times()
    used = after.user + after.system - before.user - before.system
    assert used < 0.1, f"{used:.2f} s of CPU in 10 s"
    assert process.memory_info().rss < MEMORY * 1e6
