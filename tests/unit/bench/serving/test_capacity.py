"""The search for the number of users that an API carries."""

from pathlib import Path

import msgspec
import pytest

from bench.serving import capacity
from bench.serving.capacity import MOST, Finder, Step
from loadtest.processes import Watch
from tests.unit.bench.serving.sessions import RESULT


class Limited(Finder):
    """Search of an API that carries so many users."""

    def __init__(self, capacity: int) -> None:
        super().__init__("http://127.0.0.1:1", 1, Watch(None), 50.0, 1.0)
        self.capacity = capacity
        self.trials: list[int] = []

    def holds(self, users: int) -> bool:
        self.trials.append(users)
        return users <= self.capacity


@pytest.mark.parametrize("users", [90, 700, 5000])
def test_the_answer_is_below_the_capacity_by_an_eighth_at_most(users: int) -> None:
    finder = Limited(users)
    assert users - max(users // 8, 10) <= finder.find(100) <= users
    assert len(finder.trials) < 15


def test_an_api_that_carries_nobody_has_no_capacity() -> None:
    assert Limited(0).find(100) == 0


def test_the_search_ends_at_what_one_process_can_connect() -> None:
    finder = Limited(10**9)
    assert MOST <= finder.find(500) < 2 * MOST


def test_the_table_scales_to_one_worker(tmp_path: Path) -> None:
    result = msgspec.structs.replace(RESULT, per_second=2000.0, p95_ms=12.34)
    steps = [
        Step(workers=workers, users=users, result=result, cpu=cpu, memory_mb=150.0, holds=True)
        for workers, users, cpu in ((1, 800, 0.98), (2, 1400, None))
    ]
    lines = capacity.write(tmp_path, steps, {1: 800, 2: 1400, 4: 0}, 50.0).splitlines()[2:]
    assert lines == [
        "| 1 | 800 | 2,000 | 12.3 | 0.98 | 150 | 1.00 x |",
        "| 2 | 1,400 | 2,000 | 12.3 | ? | 150 | 1.75 x |",
        "| 4 | 0 | | | | | |",
    ]
    assert msgspec.json.decode((tmp_path / "capacity.json").read_bytes())["users"] == {"1": 800, "2": 1400, "4": 0}
