"""Known scores in an answer: only if the query asks for them."""

import pytest

from readmission import contract
from readmission.features.known_scores import SCORES, Value, known_scores
from serving.predict.encounter import Invalid, decode
from serving.predict.known_scores import asks_for_scores, describe_scores

EXAMPLE = (
    b'{"age": "[70-80)", "gender": "Female", "time_in_hospital": 6, "num_lab_procedures": 52, "num_procedures": 1,'
)
EXAMPLE += b'"num_medications": 18, "number_diagnoses": 9, "number_inpatient": 2, "diag_1": "I50.9", "icd": "10cm"}'


def test_only_the_known_parameter_asks() -> None:
    assert asks_for_scores(b"include=known_scores") and asks_for_scores(b"a=1&include=known_scores")
    assert not asks_for_scores(b"a=1") and not asks_for_scores(b"include=")
    with pytest.raises(Invalid) as caught:
        asks_for_scores(b"include=lace")
    assert [(p.field, p.problem) for p in caught.value.problems] == [("include", "level")]


def test_the_points_are_those_of_the_translated_diagnoses_with_their_limits() -> None:
    points = describe_scores(decode(EXAMPLE))
    stated: dict[str, Value] = {
        "time_in_hospital": 6,
        "num_procedures": 1,
        "number_inpatient": 2,
        "diag_1": "428",
    }
    assert {each.name: each.points for each in points} == known_scores(stated)
    assert all(each.limits == SCORES[each.name].limits for each in points)
    assert len(contract.FEATURE_NAMES) > len(stated)
