"""LACE, HOSPITAL and inpatient stays: points by hand, and the figures on the real test split."""

import pytest

from readmission import contract
from readmission.features.known_scores import INPUTS, SCORES, known_scores


@pytest.mark.parametrize(
    ("encounter", "lace", "hospital", "stays"),
    [
        ({}, 0, 0, 0),
        ({"time_in_hospital": 3, "admission_type_id": 3}, 3, 0, 0),
        # L 4 + A 3 + C 5 (heart failure 2, diabetes with complication 2, renal failure 4) + E 1; urgent 1 + stay 2 + 2
        (dict(contract.EXAMPLE) | {"diag_1": "428", "diag_2": "250.4", "diag_3": "585"}, 13, 6, 2),
        ({"time_in_hospital": 14, "admission_type_id": 1, "number_emergency": 9, "diag_1": "250"}, 15, 3, 0),
        ({"time_in_hospital": 5, "num_procedures": 2, "number_inpatient": 6, "diag_1": "?"}, 4, 8, 6),
        ({"time_in_hospital": float("nan"), "diag_1": None, "number_inpatient": 1.0}, 0, 0, 1),
        ({"diag_1": "197", "time_in_hospital": 7}, 10, 2, 0),
    ],
)
def test_the_points_of_an_encounter(encounter: dict[str, object], lace: int, hospital: int, stays: int) -> None:
    assert known_scores(encounter) == {"lace": lace, "hospital": hospital, "inpatient_stays": stays}  # type: ignore[arg-type]


def test_no_encounter_has_more_points_than_stated() -> None:
    worst = {name: contract.BY_NAME[name].maximum for name in INPUTS if name in contract.NUMERIC}
    points = known_scores({**worst, "admission_type_id": 1, "diag_1": "197", "diag_2": "428", "diag_3": "585"})
    assert (points["lace"], points["hospital"]) == (SCORES["lace"].maximum, SCORES["hospital"].maximum)


def test_every_score_says_what_the_data_lacks() -> None:
    assert all(score.limits.endswith(".") for score in SCORES.values())
    assert "haemoglobin, sodium" in SCORES["hospital"].limits and "three diagnoses" in SCORES["lace"].limits


def test_every_input_is_a_feature() -> None:
    assert set(INPUTS) <= set(contract.FEATURE_NAMES)
