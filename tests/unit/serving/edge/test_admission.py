"""The line before the hot route: bounded, in order, and a refusal is said before the work of those who wait."""

import asyncio
import time

import pytest

from serving.edge.admission import PER_TURN, Admission, Places
from serving.http import Refused

#: CPU seconds of one prediction here; the real one takes less.
WORK = 0.0001


class Burst:
    """Requests that arrive in one turn of the event loop."""

    def __init__(self, longest: int) -> None:
        self.admission = Admission(longest)
        self.served: list[int] = []
        self.refused_after: list[float] = []
        self.arrived = 0.0

    async def request(self, number: int) -> None:
        self.arrived = self.arrived or time.thread_time()
        try:
            turn = self.admission.enter()
        except Refused as refused:
            assert refused.response.status_code == 503
            assert refused.response.headers["retry-after"] == "1"
            self.refused_after.append(time.thread_time() - self.arrived)
            return
        if turn is not None:
            await turn
        until = time.thread_time() + WORK
        while time.thread_time() < until:
            pass
        self.served.append(number)

    async def run(self, count: int) -> None:
        self.arrived = 0.0
        await asyncio.gather(*(self.request(number) for number in range(count)))


@pytest.mark.parametrize("count", [1, PER_TURN, PER_TURN + 1, 500])
def test_everybody_is_served_in_order_within_the_line(count: int) -> None:
    burst = Burst(1000)
    asyncio.run(burst.run(count))
    assert burst.served == list(range(count))
    assert burst.refused_after == []


def test_overload_is_refused_within_10_ms_however_long_the_line_is() -> None:
    burst = Burst(1000)
    asyncio.run(burst.run(1200))
    assert len(burst.served) == PER_TURN + 1000
    assert len(burst.refused_after) == 200 - PER_TURN
    # Of CPU, so that other work on the machine does not count; the line itself is worth 100 ms.
    assert max(burst.refused_after) < 0.01


def test_it_recovers_and_whoever_gave_up_holds_up_nobody() -> None:
    burst = Burst(10)

    async def run() -> None:
        await burst.run(100)
        waiting = [asyncio.create_task(burst.request(1000 + n)) for n in range(PER_TURN + 5)]
        await asyncio.sleep(0)
        waiting[-1].cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await burst.run(PER_TURN + 5)

    asyncio.run(run())
    assert burst.served[-(PER_TURN + 5) :] == list(range(PER_TURN + 5))


def test_a_place_is_free_again_when_its_request_ends_in_any_way() -> None:
    places = Places(2)
    for _ in range(3):
        with pytest.raises(ValueError, match="work"), places, places:
            with pytest.raises(Refused), places:
                pass
            raise ValueError("work")
