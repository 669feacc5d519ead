"""The drill's verdict: any difference is one, and it is shown."""

import pytest

from readmission.backup import champion, drill
from readmission.backup.drill import Result, State
from tests.unit.backup.test_manifest import MANIFEST

STATE = State(rows={"readmission: raw.batches": 2}, version="3", answers=["{}"])


def test_equal_states_are_reported_so() -> None:
    result = Result(times={"restore": 1.25})
    drill.compare(result, STATE, STATE, MANIFEST)
    assert result.differences == []
    text = drill.report(result)
    assert "restore" in text and "1.2 s" in text and text.endswith("Everything came back.")


@pytest.mark.parametrize(
    "after",
    [
        State(rows={"readmission: raw.batches": 1}, version="3", answers=["{}"]),
        State(rows=STATE.rows, version="2", answers=["{}"]),
        State(rows=STATE.rows, version="3", answers=["{ }"]),
    ],
)
def test_any_difference_is_shown(after: State) -> None:
    result = Result()
    drill.compare(result, STATE, after, MANIFEST)
    assert len(result.differences) == 1
    assert "DIFFERENCE" in drill.report(result) and "NOT everything came back." in drill.report(result)


def test_answers_of_another_shape_are_infinitely_far() -> None:
    assert champion.largest_difference([(0.1, 0.9)], [(0.1, 0.9)]) == 0
    assert champion.largest_difference([(0.1, 0.9)], [(0.25, 0.75)]) == pytest.approx(0.15)
    assert champion.largest_difference([(0.1, 0.9)], []) == float("inf")
    assert champion.largest_difference([(0.1, 0.9)], [(0.1,)]) == float("inf")
    assert not champion.largest_difference([(0.1,)], [(float("nan"),)]) <= champion.TOLERANCE
