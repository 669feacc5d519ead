"""Outcomes joined to predictions, late and partial; and a decision to retrain that says why."""

import json
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from readmission.errors import UserError
from readmission.registry.aliases import RegistryError
from readmission.settings import Role, Settings
from readmission.steps import ingest, outcomes, process, retrain, simulate_drift
from readmission.steps.retrain import Figures
from readmission.stores import postgres
from tests.integration.monitoring.conftest import move_alias

CALM = Figures(
    champion="1",
    untrained_batches=0,
    drifted={"batch": []},
    live_roc_auc_high=0.69,
    test_roc_auc=0.68,
    hours_since_retraining=None,
)


def query(config: Settings, text: str, role: Role = "monitor") -> list[tuple[Any, ...]]:
    with postgres.transaction(config, role) as cursor:
        cursor.execute(text)
        return cursor.fetchall()


def promote(config: Settings, last_batch: int = 1) -> None:
    with postgres.transaction(config, "train") as cursor:
        cursor.execute(
            "INSERT INTO training.experiments (run_id, family, first_batch, last_batch, data_sha256, synthetic, seed,"
            " git_sha, metrics) VALUES ('r', 'f', 1, %s, '', true, 7, '', '{\"test_roc_auc_30\": 0.9}')",
            (last_batch,),
        )
        cursor.execute(
            "INSERT INTO training.promotions (decision, model_name, model_version, run_id, family, reasons, decided_by)"
            " VALUES ('promoted', %s, '1', 'r', 'f', '[]', 'test')",
            (config.mlflow.model_name,),
        )


def predict(
    config: Settings, count: int, days_ago: int, request_id: str = "r", version: str = "1", **inputs: object
) -> list[str]:
    rng = np.random.default_rng(count)
    ids = [str(uuid.uuid4()) for _ in range(count)]
    with postgres.transaction(config, "serving") as cursor:
        for name, risk in zip(ids, rng.beta(2, 8, count).tolist(), strict=True):
            cursor.execute(
                "INSERT INTO serving.predictions (prediction_id, predicted_at, model_name, model_version, inputs,"
                " inputs_sha256, prediction, p_no, p_late, p_early, missing, latency_ms, request_id)"
                " VALUES (%s, now() - make_interval(days => %s), %s, %s, %s, '', 'NO', %s, 0, %s, '{}', 1, %s)",
                (
                    name,
                    days_ago,
                    config.mlflow.model_name,
                    version,
                    json.dumps({"gender": "Female"} | inputs),
                    1 - risk,
                    risk,
                    request_id,
                ),
            )
    return ids


def report(config: Settings, ids: list[str]) -> None:
    rng = np.random.default_rng(1)
    with postgres.transaction(config, "serving") as cursor:
        for name in ids:
            cursor.execute(
                "INSERT INTO serving.feedback (prediction_id, outcome, observed_at) VALUES (%s, %s, now())",
                (name, str(rng.choice(["NO", ">30", "<30"], p=[0.5, 0.3, 0.2]))),
            )


def test_late_and_partial_outcomes_are_judged_when_they_are_due(database: Settings) -> None:
    promote(database)
    old, young = predict(database, 400, 40), predict(database, 300, 2)
    probes = predict(database, 100, 40, "probe-status")
    report(database, old[:300] + young + probes)
    assert outcomes.run(database) == ["1 feedback"]
    overall = query(
        database,
        "SELECT n, coverage, value, low, high FROM monitoring.quality WHERE slice = 'all' AND metric = 'roc_auc_30'",
    )
    [(n, coverage, value, low, high)] = overall
    assert (n, coverage) == (300, 0.75)
    assert low < value < high
    assert {row[0] for row in query(database, "SELECT DISTINCT slice FROM monitoring.quality")} == {
        "all",
        "gender",
        "race",
        "age",
        "window",
    }
    assert outcomes.run(database) == ["1 feedback"]
    assert len(query(database, "SELECT 1 FROM monitoring.quality WHERE slice = 'all' AND metric = 'roc_auc_30'")) == 1

    impatient = database.replace(outcome_delay_days=0)
    outcomes.run(impatient)
    assert query(database, "SELECT DISTINCT n FROM monitoring.quality WHERE slice = 'all'") == [(600,)]


def ingest_batch(config: Settings, sample: Path, batch: int) -> None:
    ingest.run(config, source=str(sample), batch=batch)
    process.run(config)


def encounters_of(sample: Path, batch: int) -> list[int]:
    lines = sample.read_text().splitlines()[2:]
    return [int(line.split(",")[0]) for line in lines[(batch - 1) * 1000 : batch * 1000]]


def test_a_later_batch_tells_the_outcome_of_a_served_encounter_and_of_scores(database: Settings, sample: Path) -> None:
    config = database.replace(batch_size=1000)
    ingest_batch(config, sample, 1)
    promote(config)
    first, second = encounters_of(sample, 1), encounters_of(sample, 2)
    for name in second[:500]:
        predict(config, 1, 40, encounter_id=name)
    for name in first[:300]:
        predict(config, 1, 0, encounter_id=name)
    ingest_batch(config, sample, 2)
    for name in second[500:800]:
        predict(config, 1, 0, encounter_id=name)
    with postgres.transaction(config, "score") as cursor:
        cursor.execute(
            "INSERT INTO serving.scores (encounter_id, model_name, model_version, p_no, p_late, p_early)"
            " SELECT encounter_id, %s, '1', 0.6, 0.2, 0.2 FROM clean.encounters",
            (config.mlflow.model_name,),
        )
    assert outcomes.run(config) == ["1 encounters", "1 scores"]
    counts = dict(query(config, "SELECT source, max(n) FROM monitoring.quality WHERE slice = 'all' GROUP BY 1"))
    clean = query(
        config,
        "SELECT count(*) FILTER (WHERE encounter_id = ANY(ARRAY[" + ",".join(map(str, second[:500])) + "])), count(*)"
        " FROM clean.encounters WHERE batch_id = 2",
    )
    assert counts == {"encounters": clean[0][0], "scores": clean[0][1]}
    prequential = "SELECT DISTINCT source, level, n FROM monitoring.quality WHERE slice = 'batch'"
    assert query(config, prequential) == [("scores", "2", clean[0][1])]

    # Whatever the delay, neither what a model was trained on nor what was predicted after its outcome came in counts.
    outcomes.run(config.replace(outcome_delay_days=0))
    again = "SELECT max(n) FROM monitoring.quality WHERE slice = 'all' AND source = 'encounters'"
    assert query(config, again) == [(counts["encounters"],)]


def test_an_outcome_that_was_observed_too_early_is_not_final(database: Settings) -> None:
    promote(database)
    ids = predict(database, 600, 40)
    with postgres.transaction(database, "serving") as cursor:
        for i, name in enumerate(ids):
            cursor.execute(
                "INSERT INTO serving.feedback (prediction_id, outcome, observed_at)"
                " VALUES (%s, %s, now() - make_interval(days => %s))",
                (name, "<30" if i < 100 else "NO", 39 if i < 400 else 1),
            )
    assert outcomes.run(database) == ["1 feedback"]
    assert query(database, "SELECT DISTINCT n, positives, coverage FROM monitoring.quality WHERE slice = 'all'") == [
        (300, 100, 0.5)
    ]


def test_windows_hold_the_outcomes_that_became_due_in_them(database: Settings) -> None:
    promote(database)
    for count, days_ago in ((200, 40), (300, 100), (400, 200)):
        report(database, predict(database, count, days_ago))
    outcomes.run(database)
    windows = "SELECT DISTINCT level, n FROM monitoring.quality WHERE slice = 'window' ORDER BY n"
    assert query(database, windows) == [("30 days", 200), ("90 days", 500)]


def test_an_outcome_that_becomes_known_late_counts_from_then_on(database: Settings, sample: Path) -> None:
    """The batch of the encounters comes without outcomes, and the outcomes with a later one: both after predictions."""
    config = database.replace(batch_size=1000)
    ingest_batch(config, sample, 1)
    promote(config)
    for name in encounters_of(sample, 2)[:500]:
        predict(config, 1, 40, encounter_id=name)
    table = pd.read_csv(sample, dtype=str, keep_default_na=False, skiprows=1)
    for outcome in ("?", None):
        path = sample.with_name(f"outcomes-{outcome}.csv")
        rows = table.iloc[1000:2000].assign(**{"readmitted": outcome} if outcome else {})
        path.write_text("# synthetic\n" + rows.to_csv(index=False))
        ingest_batch(config, path, 1)
        with postgres.transaction(config, "score") as cursor:
            cursor.execute(
                "INSERT INTO serving.scores (encounter_id, model_name, model_version, p_no, p_late, p_early)"
                " SELECT encounter_id, %s, '1', 0.6, 0.2, 0.2 FROM clean.encounters ON CONFLICT DO NOTHING",
                (config.mlflow.model_name,),
            )
        assert outcomes.run(config) == ([] if outcome else ["1 encounters", "1 scores"])


def test_predictions_of_more_than_a_year_ago_are_not_read(database: Settings) -> None:
    promote(database)
    report(database, predict(database, 300, 400))
    assert outcomes.run(database) == []


def test_an_index_serves_the_look_up_of_a_patient(database: Settings) -> None:
    values = {"model_name": "m", "delay": timedelta(days=30), "span": timedelta(days=365), "not_patients": []}
    with postgres.transaction(database, "monitor") as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN " + outcomes.SERVED, values)
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert " on encounters l" in plan
    assert "Seq Scan on encounters l" not in plan


def test_each_version_is_judged_by_its_own_predictions(database: Settings) -> None:
    promote(database)
    report(database, predict(database, 200, 40) + predict(database, 250, 40, version="2"))
    assert outcomes.run(database) == ["1 feedback", "2 feedback"]
    rows = query(database, "SELECT model_version, n FROM monitoring.quality WHERE slice = 'all' AND metric = 'ece_30'")
    assert dict(rows) == {"1": 200, "2": 250}


def test_outcomes_of_a_few_decide_nothing(registered: Settings) -> None:
    promote(registered)
    move_alias(registered, "1")
    ids = predict(registered, 1500, 40)
    report(registered, ids[:600])
    outcomes.run(registered)
    assert query(registered, "SELECT DISTINCT coverage FROM monitoring.quality") == [(0.4,)]
    assert retrain.run(registered) == []
    [(reason, live)] = query(registered, "SELECT reason, figures->>'live_roc_auc_high' FROM monitoring.decisions")
    assert "live quality is not known" in reason
    assert live is None


@pytest.mark.parametrize(
    ("changes", "retrained", "phrase"),
    [
        ({}, False, "no batch waits"),
        ({"champion": ""}, False, "no champion yet"),
        ({"untrained_batches": 2}, True, "newest 2 clean batches"),
        ({"drifted": {"batch": ["age", "insulin"]}}, False, "2 clinical columns drift"),
        ({"drifted": {"batch": ["age", "insulin", "change"]}}, True, "3 clinical columns of the batch"),
        ({"drifted": {"batch": ["a", "b", "c"]}, "hours_since_retraining": 3.0}, False, "cooldown of 24 h"),
        ({"live_roc_auc_high": 0.66}, True, "live ROC-AUC is at most 0.660"),
        ({"live_roc_auc_high": 0.675}, False, "reaches up to 0.675"),
        ({"live_roc_auc_high": None}, False, "live quality is not known"),
    ],
)
def test_the_rule_decides_and_says_why(changes: dict, retrained: bool, phrase: str) -> None:
    decision, reason = retrain.decide(Figures(**(CALM.__dict__ | changes)), 3, 24)
    assert decision is retrained
    assert phrase in reason


def test_every_decision_is_kept_with_its_figures(registered: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert retrain.run(registered) == []
    promote(registered)
    move_alias(registered, "1")
    report(registered, predict(registered, 700, 40))
    outcomes.run(registered)
    [reason] = retrain.run(registered)
    assert "live ROC-AUC" in reason
    assert retrain.run(registered) == []
    kept = query(registered, "SELECT retrain, reason, figures->>'test_roc_auc' FROM monitoring.decisions ORDER BY id")
    assert [row[0] for row in kept] == [False, True, False]
    assert "cooldown" in kept[2][1]
    assert kept[1][2] == "0.9"
    assert "Did not retrain because" in capsys.readouterr().out


def test_the_version_of_the_alias_is_judged_and_not_the_newest_of_the_ledger(registered: Settings) -> None:
    promote(registered)
    assert retrain.read_figures(registered).champion == ""
    report(registered, predict(registered, 700, 40) + predict(registered, 800, 40, version="2"))
    outcomes.run(registered)
    move_alias(registered, "1")
    first = retrain.read_figures(registered)
    assert (first.champion, first.test_roc_auc) == ("1", 0.9)
    move_alias(registered, "2")
    second = retrain.read_figures(registered)
    assert (second.champion, second.test_roc_auc) == ("2", None)
    assert second.live_roc_auc_high != first.live_roc_auc_high


def test_without_mlflow_nothing_is_decided(database: Settings) -> None:
    away = database.replace(mlflow_uri="http://127.0.0.1:9")
    with pytest.raises(RegistryError, match=r"MLflow at http://127\.0\.0\.1:9"):
        retrain.run(away)
    assert query(database, "SELECT count(*) FROM monitoring.decisions") == [(0,)]


@pytest.mark.real
def test_no_false_alarm_on_the_real_order_and_every_injected_drift_found(
    database: Settings, real_source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ingest.run(database, source=str(real_source), every=True)
    process.run(database)
    capsys.readouterr()
    simulate_drift.run(database, shares="0.25")
    assert capsys.readouterr().out.endswith("0 false alarms; of 3 injected drifts found: 3 at 25%.\n")


def test_a_share_that_is_none_is_a_sentence(database: Settings) -> None:
    with pytest.raises(UserError, match=r"--shares: '2' is not a list such as 1,0.5,0.25,0.1"):
        simulate_drift.run(database, shares="2")
