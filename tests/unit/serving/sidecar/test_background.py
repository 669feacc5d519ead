"""Work beside the loop: begun at once, not waited for, never twice at a time."""

import threading
import time

from serving.sidecar.background import Background


def test_a_slow_action_is_not_waited_for_and_not_begun_twice() -> None:
    release, runs = threading.Event(), list[float]()

    def slow() -> None:
        runs.append(time.monotonic())
        release.wait(10)

    work = Background(slow, "slow")
    began = time.monotonic()
    assert work.start() and not work.start()
    assert time.monotonic() - began < 5 and len(runs) == 1
    release.set()
    deadline = time.monotonic() + 10
    while not work.start():
        assert time.monotonic() < deadline
        time.sleep(0.01)
