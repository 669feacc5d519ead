"""The files of a simulated year: who is discharged when, and what is known when."""

import io
from dataclasses import replace

import pandas as pd
import pytest

from bench.year.plan import Plan
from bench.year.scenario import DRIFTED, QUARTER, START, WEEK
from readmission import contract
from readmission.contract import validation
from readmission.data import synthetic

ROWS = pd.read_csv(io.BytesIO(synthetic.generate(1200, seed=3)), dtype=str, keep_default_na=False, skiprows=1)
DAILY = replace(QUARTER, days=1)


@pytest.fixture(scope="module")
def plan() -> Plan:
    return Plan(ROWS, QUARTER, seed=7)


def read(plan: Plan) -> pd.DataFrame:
    """Return every row of every delivery, with the end of its period and the delivery's name."""
    parts = [
        pd.read_csv(io.BytesIO(delivery.content), dtype=str, keep_default_na=False).assign(
            file=delivery.name, end=pd.Timestamp(period.end), note=delivery.note
        )
        for period in plan.periods
        for delivery in period.deliveries
    ]
    return pd.concat(parts, ignore_index=True)


def test_the_same_seed_gives_the_same_files_and_another_seed_others(plan: Plan) -> None:
    assert Plan(ROWS, QUARTER, seed=7).sha256 == plan.sha256
    assert Plan(ROWS, QUARTER, seed=8).sha256 != plan.sha256


@pytest.mark.parametrize("scenario", [QUARTER, DAILY], ids=["weekly", "daily"])
def test_every_encounter_is_told_once_without_an_outcome_and_with_it_when_it_is_known(scenario: object) -> None:
    plan = Plan(ROWS, scenario, seed=7)  # type: ignore[arg-type]
    rows = read(plan)
    rows = rows[rows["note"] == ""]
    first = rows[rows[contract.TARGET] == "?"]
    assert sorted(first["encounter_id"]) == sorted(ROWS["encounter_id"])
    assert (first["known_at"] == first["discharged_at"]).all()
    later = rows[rows[contract.TARGET] != "?"]
    outcomes = plan.stays[plan.stays["outcome_at"] < pd.Timestamp(scenario.end)]  # type: ignore[attr-defined]
    assert set(later["encounter_id"]) == set(outcomes["encounter_id"])


def test_nothing_is_told_before_it_is_known(plan: Plan) -> None:
    rows = read(plan)
    moments, discharged = pd.to_datetime(rows["known_at"]), pd.to_datetime(rows["discharged_at"])
    assert (moments < rows["end"]).all()
    waited = moments - discharged
    outcome = rows[contract.TARGET]
    assert (waited[outcome.isin(["NO", ">30"])] >= contract.HORIZON).all()
    first = rows.drop_duplicates(["encounter_id", contract.TARGET])
    returned = (first[contract.TARGET] == "<30") & ~first["encounter_id"].isin(corrected(plan)["encounter_id"])
    assert (waited[first.index[returned]] < contract.HORIZON).all()


def test_who_returns_late_has_no_readmission_until_then(plan: Plan) -> None:
    late = plan.stays[plan.stays[contract.TARGET] == ">30"]
    changes = plan.known(START, QUARTER.end + 20 * WEEK).sort_values("at")
    texts = changes[changes["encounter_id"].isin(late["encounter_id"])].groupby("encounter_id")["outcome"].agg(list)
    assert texts.tolist() == [["NO", ">30"]] * len(late)


def corrected(plan: Plan) -> pd.DataFrame:
    return plan.stays[plan.stays["corrected_at"].notna()]


def test_corrections_come_in_their_week_to_outcomes_that_were_known(plan: Plan) -> None:
    stays = corrected(plan)
    assert len(stays) > 0
    begin = pd.Timestamp(START + (QUARTER.corrected - 1) * WEEK)
    assert stays["corrected_at"].between(begin, begin + WEEK).all()
    assert (stays["outcome_at"] < begin).all()
    changes = plan.known(START, QUARTER.end)
    of_stays = changes[changes["encounter_id"].isin(stays["encounter_id"])].sort_values("at")
    assert of_stays.groupby("encounter_id")["outcome"].agg(list).tolist() == [["NO", "<30"]] * len(stays)


def test_special_deliveries_stand_where_the_scenario_says(plan: Plan) -> None:
    by_week = {period.week: period.deliveries for period in plan.periods}
    same, other = by_week[QUARTER.twice], by_week[QUARTER.line_ends]
    assert same[0].content == same[1].content
    assert other[1].content != other[0].content == other[1].content.replace(b"\r\n", b"\n")
    assert len(by_week[QUARTER.late[0]]) == 0
    assert by_week[QUARTER.late[1]][0].name < by_week[QUARTER.late[1]][1].name
    assert [delivery.refused for delivery in by_week[QUARTER.quarantine]] == [True, False]


def test_the_contract_refuses_the_broken_export_and_nothing_else(plan: Plan) -> None:
    rows = read(plan)
    refused = rows.index.isin(list(validation.problems(rows)))
    assert (refused == (rows["note"] == "a broken export")).all()


def test_a_silent_feed_brings_everything_afterwards() -> None:
    scenario = replace(QUARTER, silent=(7, 8))
    counts = [len(period.deliveries) for period in Plan(ROWS, scenario, seed=7).periods]
    assert counts[6:9] == [0, 0, 3]


def test_patients_drift_from_the_week_on_and_not_before(plan: Plan) -> None:
    real = ROWS.assign(order=ROWS["encounter_id"].astype(int)).sort_values("order", ignore_index=True)
    late = plan.stays["discharged_at"] >= pd.Timestamp(QUARTER.drift_from)
    for column in DRIFTED:
        assert (plan.stays.loc[~late, column] == real.loc[~late, column]).all()
        assert (plan.stays.loc[late, column] != real.loc[late, column]).mean() > 0.5
