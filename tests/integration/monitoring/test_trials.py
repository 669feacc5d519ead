"""Champion and challenger on the outcomes of a shadow: pairs, the order of the looks, and what does not count."""

import uuid

import numpy as np
import pytest
from mlflow.tracking import MlflowClient
from psycopg2.extras import execute_values

from readmission.errors import RefusalError
from readmission.monitoring import trials
from readmission.settings import Settings
from readmission.steps import compare
from readmission.stores import postgres
from tests.integration.monitoring.conftest import move_alias


def answer(
    config: Settings, count: int, *, days_ago: int, skill: float, variant: str = "shadow", seed: int = 1
) -> None:
    """Log answers of version 1, as many of version 2, and the outcomes of version 1's."""
    random = np.random.default_rng(seed)
    event = random.random(count) < 0.2
    rows, outcomes = [], []
    for number in range(count):
        request, name = f"r-{seed}-{number}", str(uuid.uuid4())
        risks = [float(0.2 + 0.1 * event[number] * good + 0.05 * random.normal()) for good in (0.3, skill)]
        for version, kind, early, key in zip(
            ("1", "2"), ("champion", variant), risks, (name, str(uuid.uuid4())), strict=True
        ):
            rows.append((key, days_ago, config.mlflow.model_name, version, kind, 1 - early, early, request))
        outcomes.append((name, "<30" if event[number] else "NO"))
    with postgres.transaction(config, "serving") as cursor:
        execute_values(
            cursor,
            "INSERT INTO serving.predictions (prediction_id, predicted_at, model_name, model_version, variant, inputs,"
            " inputs_sha256, prediction, p_no, p_late, p_early, missing, latency_ms, request_id) VALUES %s",
            rows,
            "(%s, now() - make_interval(days => %s), %s, %s, %s, '{}', '', 'NO', %s, 0, %s, '{}', 1, %s)",
        )
        execute_values(
            cursor,
            "INSERT INTO serving.feedback (prediction_id, outcome, observed_at) VALUES %s",
            outcomes,
            "(%s, %s, now())",
        )


def test_a_better_challenger_wins_and_two_equal_ones_do_not(
    registered: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RefusalError, match="has the alias champion"):
        compare.run(registered)
    move_alias(registered, "1")
    with pytest.raises(RefusalError, match="has the alias challenger"):
        compare.run(registered)
    MlflowClient(registered.mlflow.uri).set_registered_model_alias(registered.mlflow.model_name, "challenger", "2")
    assert compare.run(registered).looks == 0

    # Answers before the challenger's first, and those that are not due yet, do not count.
    answer(registered, 50, days_ago=90, skill=0.3, variant="champion", seed=2)
    answer(registered, 300, days_ago=40, skill=0.3)
    answer(registered, 300, days_ago=3, skill=2.0, seed=3)
    answers = trials.read_answers(registered, "1", "2")
    assert len(answers) == 300 and answers.notna().all().all()
    assert compare.run(registered).winner == ""
    assert "no look yet" in capsys.readouterr().out

    answer(registered, 900, days_ago=35, skill=2.0, seed=4)
    result = compare.run(registered)
    assert (result.winner, result.next_events) == ("challenger", 0)
    assert "version 2, the challenger, is better" in capsys.readouterr().out


def test_of_a_canary_each_encounter_has_one_answer(registered: Settings) -> None:
    answer(registered, 200, days_ago=40, skill=0.3)
    with postgres.transaction(registered, "owner") as cursor:
        cursor.execute(
            "DELETE FROM serving.predictions p WHERE model_version = CASE WHEN right(request_id, 1) < '5'"
            " THEN '2' ELSE '1' END AND right(request_id, 2) <> '-0'"
        )
        cursor.execute(
            "INSERT INTO serving.feedback SELECT prediction_id, 'NO', now() FROM serving.predictions"
            " WHERE model_version = '2' ON CONFLICT DO NOTHING"
        )
    answers = trials.read_answers(registered, "1", "2")
    assert len(answers) == 200
    assert answers["champion"].notna().sum() + answers["challenger"].notna().sum() == 201
