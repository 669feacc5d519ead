"""The record of a simulated year as sentences, lines and JSON."""

import json
from datetime import UTC, datetime

from bench.year.timeline import Interval, Week, as_json, describe, digest, header, line

END = datetime(2024, 1, 8, tzinfo=UTC)
LIVE = Interval(value=0.66, low=0.61, high=0.71, n=900)


def test_a_refusal_names_the_gates_that_were_not_met() -> None:
    reasons: list[dict[str, object]] = [
        {"gate": "enough_skill", "value": 0.61234, "limit": "at least 0.62", "passed": False},
        {"gate": "fair_risk", "value": 1.1, "limit": "at most 1.25", "passed": True},
        {"gate": "golden", "value": None, "limit": "at most 1", "passed": False},
    ]
    sentence = describe("refused", None, "3", "lightgbm", reasons, "schedule")
    assert sentence == "refused a lightgbm: enough_skill 0.6123, at least 0.62; golden missing, at most 1"


def test_promotions_and_rollbacks_name_the_person() -> None:
    assert describe("promoted", "2", "1", "xgboost", [], "a") == "promoted 2 (xgboost) instead of 1 by a"
    assert describe("promoted", "1", None, "xgboost", [], "a") == "promoted 1 (xgboost) by a"
    assert describe("rolled back", "1", "2", None, [{"reason": "r"}], "b") == "rolled back from 2 to 1 by b: r"


def test_a_line_has_the_columns_of_the_head_and_what_was_special_below() -> None:
    week = Week(number=3, end=END, read=10, mature=7, champion="2", tested=0.684, live=LIVE, prequential=LIVE)
    week.violations, week.decisions = ["rows_add_up: no"], ["no retraining: no batch waits", "retrain: drift"]
    first, *notes = line(week).splitlines()
    assert first.index("0.660 [0.610, 0.710]") == header().index("live 30 days")
    assert first.rindex("0.660 [0.610, 0.710]") == header().index("unseen batch")
    assert [note.split() for note in notes] == [["decision", "retrain:", "drift"], ["VIOLATED", "rows_add_up:", "no"]]


def test_equal_years_have_equal_texts() -> None:
    weeks = [Week(number=1, end=END, live=LIVE), Week(number=2, end=END)]
    text = as_json(weeks, {"seed": 7})
    assert digest(text) == digest(as_json(weeks, {"seed": 7})) != digest(as_json(weeks[:1], {"seed": 7}))
    assert json.loads(text)["weeks"][0]["live"] == {"value": 0.66, "low": 0.61, "high": 0.71, "n": 900}
