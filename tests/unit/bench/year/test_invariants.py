"""The invariants of a simulated year fail when they should."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pandas as pd
import pytest

from bench.year import invariants
from bench.year.invariants import State
from bench.year.plan import Plan
from bench.year.scenario import QUARTER, START, WEEK
from bench.year.timeline import Week
from readmission.settings import Settings
from readmission.stores import postgres
from tests.unit.bench.year.test_plan import ROWS

PLAN = Plan(ROWS, QUARTER, seed=7)


class Tables:
    """The tables of a system, without its servers."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def query(self, text: str, **arguments: Any) -> list[tuple[Any, ...]]:
        with postgres.transaction(self.settings, "monitor") as cursor:
            cursor.execute(text, arguments)
            return list(cursor.fetchall())


class Client:
    """What a hospital was answered and has reported."""

    def __init__(self) -> None:
        self.answered = {"1": object()}
        self.reported = {"018cc251-f400-7000-8000-000000000000": "NO"}


@pytest.fixture
def state(database: Settings) -> State:
    return State(
        system=Tables(database),  # type: ignore[arg-type]
        plan=PLAN,
        hospital=Client(),  # type: ignore[arg-type]
        week=Week(number=QUARTER.drift - 1, end=START),
        since=START,
        now=START + (QUARTER.drift - 1) * WEEK,
    )


def write(state: State, statement: str, **arguments: object) -> None:
    with postgres.transaction(state.system.settings, "owner") as cursor:
        cursor.execute(statement, arguments)


def batch(state: State, read: int, accepted: int) -> None:
    write(
        state,
        "INSERT INTO raw.batches (batch_id, source, source_sha256, source_batch, synthetic, rows_read, accepted,"
        " quarantined, duplicate, started, finished) VALUES (1, 's', 's', 1, false, %(read)s, %(accepted)s, 0, 0,"
        " now(), now())",
        read=read,
        accepted=accepted,
    )


def sentences(rule: Callable[[State], Iterator[str]], state: State) -> list[str]:
    return list(rule(state))


def test_rows_that_were_delivered_and_not_read_are_found(state: State) -> None:
    batch(state, 10, 10)
    state.rows = 10
    assert sentences(invariants.rows_add_up, state) == []
    state.rows = 12
    assert sentences(invariants.rows_add_up, state) == ["12 rows were delivered, 10 were read"]


def test_a_repeated_training_is_found_and_another_seed_is_none(state: State) -> None:
    for run, seed in (("a", 7), ("b", 8)):
        train(state, run, seed)
    assert sentences(invariants.trainings_learn_something, state) == []
    train(state, "c", 8)
    (sentence,) = sentences(invariants.trainings_learn_something, state)
    assert sentence == "lightgbm was trained 2 times on the same data by the same code"


def train(state: State, run: str, seed: int) -> None:
    write(
        state,
        "INSERT INTO training.runs (run_id, family, first_batch, last_batch, data_sha256, synthetic, icd, seed, code,"
        " packages, metrics) VALUES (%(run)s, 'lightgbm', 1, 2, 'd', false, '9cm', %(seed)s, 'c', 'p', '{}')",
        run=run,
        seed=seed,
    )


def test_a_version_that_returns_after_a_rollback_is_found(state: State) -> None:
    write(
        state,
        "INSERT INTO training.promotions (decision, model_name, model_version, replaced_version, reasons, decided_by)"
        " VALUES ('rolled back', 'm', '1', '2', '[]', 'p')",
    )
    state.week.champion = "1"
    assert sentences(invariants.rolled_back_versions_stay_away, state) == []
    state.week.champion = "2"
    assert len(sentences(invariants.rolled_back_versions_stay_away, state)) == 1


def test_alarms_before_the_drift_are_false_and_silence_after_it_too(state: State) -> None:
    state.week.alarms = ["batch 3: age"]
    assert sentences(invariants.alarms_are_right, state) == ["false alarm: batch 3: age"]
    state.week = Week(number=QUARTER.drift + QUARTER.detect - 1, end=START)
    assert len(sentences(invariants.alarms_are_right, state)) == 1
    state.week.alarms = ["predictions: race"]
    assert len(sentences(invariants.alarms_are_right, state)) == 1
    state.week.alarms = ["batch 9: age, time_in_hospital"]
    assert sentences(invariants.alarms_are_right, state) == []


def test_an_alarm_for_columns_that_changed_by_themselves_is_true(state: State) -> None:
    state.plan = Plan(ROWS, QUARTER, seed=7)
    state.week.alarms = ["predictions: num_lab_procedures, score"]
    assert sentences(invariants.alarms_are_right, state) == ["false alarm: predictions: num_lab_procedures, score"]
    last = state.plan.stays["discharged_at"] >= pd.Timestamp(state.now - WEEK)
    state.plan.stays.loc[last, "num_lab_procedures"] = "90"
    assert sentences(invariants.alarms_are_right, state) == []
    state.week.alarms += ["batch 3: num_lab_procedures, race", "predictions: score"]
    assert sentences(invariants.alarms_are_right, state) == [f"false alarm: {a}" for a in state.week.alarms[1:]]


def test_answers_and_outcomes_that_are_not_stored_are_found(state: State) -> None:
    assert sentences(invariants.nothing_answered_is_lost, state) == [
        "1 predictions were answered, 0 are stored",
        "1 of 1 reported outcomes are not stored",
    ]


@pytest.mark.parametrize(
    ("days", "label", "problem"),
    [(0, "", ""), (0, "other", "not known yet, or wrong"), (-20, "", "younger than thirty days")],
)
def test_labels_that_cannot_be_known_yet_are_found(state: State, days: int, label: str, problem: str) -> None:
    stay = PLAN.stays[PLAN.stays["corrected_at"].isna() & (PLAN.stays["readmitted"] == "NO")].iloc[0]
    state.now = (max(stay["outcome_at"], stay["discharged_at"] + pd.Timedelta(days=30))).to_pydatetime()
    state.now += timedelta(days=days) if days or label else timedelta()
    truth = stay["readmitted"]
    stored = ">30" if label else truth
    state.system = Labels(stay["encounter_id"], stored)  # type: ignore[assignment]
    text = " ".join(sentences(invariants.labels_are_mature, state))
    assert (problem in text) if problem else text == ""


class Labels:
    """A clean table of one encounter."""

    def __init__(self, encounter: str, label: str) -> None:
        self.rows = [(encounter, label)]

    def query(self, _: str, **__: object) -> list[tuple[Any, ...]]:
        return self.rows


def test_every_invariant_is_checked_under_its_name(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invariants, "INVARIANTS", (invariants.nothing_answered_is_lost,))
    assert invariants.check(state)[0].startswith("nothing_answered_is_lost: 1 predictions")
