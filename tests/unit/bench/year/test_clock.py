"""The simulated clock of a database, and the moments of answers."""

import uuid
from datetime import UTC, datetime

import pytest

from bench.year.clock import Answered, Clock
from readmission.settings import Settings
from readmission.stores import postgres
from serving.prediction_log.ids import Ids, moment

MOMENT = datetime(2024, 3, 4, 5, 6, 7, tzinfo=UTC)


def an_id() -> str:
    ids = Ids()
    ids.tick()
    return ids.new()


def test_an_answer_gets_the_id_of_its_simulated_moment() -> None:
    answer = Answered(an_id(), MOMENT)
    assert moment(answer.simulated_id) == MOMENT
    assert answer.simulated_id[13:] == answer.prediction_id[13:]


def test_every_role_and_every_default_takes_the_simulated_time(database: Settings) -> None:
    clock = Clock(database)
    clock.install(MOMENT)
    with postgres.transaction(database, "monitor") as cursor:
        cursor.execute("SELECT now(), clock_timestamp(), now()::date")
        assert cursor.fetchone() == (MOMENT, MOMENT, MOMENT.date())
        cursor.execute(
            "INSERT INTO monitoring.decisions (retrain, reason, figures) VALUES (false, 'r', '{}') RETURNING decided_at"
        )
        assert cursor.fetchone() == (MOMENT,)
    later = MOMENT.replace(hour=9)
    clock.set(later)
    with postgres.transaction(database, "train") as cursor:
        cursor.execute("SELECT now()")
        assert cursor.fetchone() == (later,)


@pytest.mark.parametrize("count", [1, 3])
def test_answers_move_to_the_moment_at_which_the_patient_left(database: Settings, count: int) -> None:
    clock = Clock(database)
    clock.install(MOMENT)
    answers = [Answered(an_id(), MOMENT) for _ in range(count)]
    with postgres.transaction(database, "serving") as cursor:
        for answer in answers:
            cursor.execute(
                "INSERT INTO serving.predictions (prediction_id, predicted_at, model_name, model_version, inputs,"
                " inputs_sha256, prediction, p_no, p_late, p_early, missing, latency_ms, request_id)"
                " VALUES (%(id)s, '2026-01-02', 'm', '1', '{}', '', 'NO', 1, 0, 0, '{}', 1, 'r')",
                {"id": answer.prediction_id},
            )
    assert clock.stored([*answers, Answered(str(uuid.uuid4()), MOMENT)]) == count
    clock.back_date(answers)
    with postgres.transaction(database, "monitor") as cursor:
        cursor.execute("SELECT prediction_id::text, predicted_at, tableoid::regclass::text FROM serving.predictions")
        month = "serving.predictions_2024_03"
        assert sorted(cursor.fetchall()) == sorted((answer.simulated_id, MOMENT, month) for answer in answers)
