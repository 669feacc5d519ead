"""Many encounters are scored and answered as single ones are."""

import json
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readmission import contract
from readmission.contract import CLASSES
from serving.predict import batches, encounter
from serving.predict.answers import Answer, ClassProbabilities, encode
from serving.predict.batches import ScoredBatch
from serving.predict.loaded_models import LoadedModel

SHARE = st.sampled_from((0.0, 0.2, 1 / 3, 0.5, 1.0)) | st.floats(0, 1)


@given(st.lists(st.tuples(SHARE, SHARE, SHARE), min_size=1, max_size=20))
def test_the_rule_of_the_most_probable_class_is_the_same_for_one_and_for_many(
    rows: list[tuple[float, float, float]],
) -> None:
    positions = batches.most_probable_positions(np.array(rows))
    assert [CLASSES[position] for position in positions] == [contract.most_probable(row) for row in rows]


def model() -> LoadedModel:
    scorer: Any = None
    return LoadedModel(
        name="m",
        version="3",
        scorer=scorer,
        loaded_at="",
        inline=True,
        bands=("usual", "raised"),
        edges=(0.2,),
        cards={},
    )


@pytest.mark.parametrize("excluded", [False, True])
@pytest.mark.parametrize("notes", [[], ["change was read as 'Ch'"]])
def test_an_answer_of_a_batch_is_encoded_as_a_single_one(excluded: bool, notes: list[str]) -> None:
    mask = 0b101
    scored = ScoredBatch(
        inputs=[b"{}"],
        shares=np.array([[0.1, 0.6, 0.3]]),
        positions=np.array([1]),
        absent=np.array([mask], np.uint64),
        excluded=[excluded],
        notes={0: notes} if notes else {},
    )
    (line,) = batches.answers(scored, ["id"], "2026-01-01T00:00:00.000Z", model(), "note")
    answer = Answer(
        prediction_id="id",
        prediction=CLASSES[1],
        probabilities=ClassProbabilities(0.1, 0.6, 0.3),
        readmission_risk_30d=0.3,
        risk_band="raised",
        model_name="m",
        model_version="3",
        missing=batches.names(mask),
        timestamp="2026-01-01T00:00:00.000Z",
        notes=["note"] * excluded + notes or None,
    )
    assert line == encode(answer)
    assert batches.names(mask) == [contract.FEATURE_NAMES[0], contract.FEATURE_NAMES[2]]
    assert msgspec.json.decode(line, type=Answer) == answer


RECORD = json.dumps(dict(contract.EXAMPLE)).encode()
OTHER = json.dumps({**contract.EXAMPLE, "diag_1": "428", "diag_2": None, "patient_nbr": 7}).encode()


def raw(*records: bytes) -> list[msgspec.Raw]:
    return [msgspec.Raw(record) for record in records]


@pytest.mark.parametrize("count", [1, 125, 126, 300])
def test_valid_encounters_are_decoded_together_as_they_are_apart(count: int) -> None:
    records = [RECORD, OTHER][: count % 2 + 1] * count
    columns = batches.decode(raw(*records[:count]))
    assert columns == batches.to_columns([encounter.decode(record) for record in records[:count]])


@pytest.mark.parametrize(
    "change",
    [
        {"age": "72"},
        {"unknown": 1},
        {"diag_1": "nonsense"},
        {"change": "yes"},
        {"diag_1": "I50.9", "diag_2": None, "diag_3": None, "icd": "10cm"},
    ],
)
def test_what_must_be_looked_at_apart_is_not_decoded_together(change: dict[str, Any]) -> None:
    assert batches.decode(raw(RECORD, json.dumps({**contract.EXAMPLE, **change}).encode())) is None
