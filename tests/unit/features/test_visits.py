"""What the visits before an encounter say of it."""

import math

from readmission.features import visits
from readmission.features.visits import HISTORY_NAMES, NONE, SMALL_GAP, Visit, summarise


def visit(encounter: float, **values: float) -> Visit:
    columns = {"days": 3, "medications": 9, "inpatient": 1, "diagnoses": 5, "disposition": 1, "chapter": 7, "code": 428}
    return Visit(encounter, False, **(columns | values))


def summary(*earlier: Visit, encounter: float = math.inf, inpatient: float = 4.0) -> dict[str, float]:
    numbers = summarise(earlier, earlier[-1].encounter, encounter, inpatient, 7, 250)
    return dict(zip(HISTORY_NAMES, numbers, strict=True))


def test_counts_go_over_all_visits_and_the_rest_is_the_last_one_s() -> None:
    after = summary(visit(1, days=2, inpatient=6), visit(SMALL_GAP, days=5, medications=11))
    assert (after["history_count"], after["history_days_last"], after["history_inpatient_change"]) == (2, 5, 3)
    assert 7 in after.values(), "the days of both"
    assert (after["history_same_chapter"], after["history_same_code"]) == (1, 0)


def test_a_visit_that_is_not_earlier_is_no_history() -> None:
    assert summarise([visit(10)], 10, 10, 4, 7, 250) == NONE
    assert summarise([], 10, 20, 4, 7, 250) == NONE


def test_ids_that_run_backwards_are_seen_by_the_stays_before() -> None:
    """Close ids, and fewer stays in the year before than the visit that would be the earlier one."""
    assert summarise([visit(10, inpatient=3)], 10, 20, 2, 7, 250) == NONE
    assert summarise([visit(10, inpatient=3)], 10, 20, 4, 7, 250) != NONE
    assert len(visits.NONE) == len(HISTORY_NAMES)
