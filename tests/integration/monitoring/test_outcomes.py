"""Outcomes joined to predictions, late and partial."""

from datetime import timedelta
from pathlib import Path

import pandas as pd

from readmission.settings import Settings
from readmission.steps import ingest, outcomes, process
from readmission.stores import postgres
from tests.integration.monitoring.conftest import predict, promote, query, report


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
