"""The decision to retrain: by the alias, on live quality, kept with its figures."""

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from readmission.data import snapshots
from readmission.registry import lineage, runs
from readmission.registry.aliases import RegistryError
from readmission.registry.runs import TrainedModel
from readmission.settings import Settings
from readmission.steps import ingest, outcomes, process, retrain
from readmission.stores import postgres
from tests.integration.monitoring.conftest import move_alias, predict, promote, query, report


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


def test_every_decision_is_kept_with_its_figures(
    registered: Settings, sample: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert retrain.run(registered) == []
    registered = registered.replace(source=str(sample))
    ingest.run(registered, every=True)
    process.run(registered)
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


def test_without_anything_new_to_learn_a_person_is_told_once_and_nothing_is_trained(
    registered: Settings, sample: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = registered.replace(source=str(sample), retrain_cooldown_hours=0)
    ingest.run(config, every=True)
    process.run(config)
    promote(config)
    move_alias(config, "1")
    report(config, predict(config, 700, 40))
    outcomes.run(config)
    assert len(retrain.run(config)) == 1

    # The training that this asked for has been done: the same data by the same code. Another family, by hand, is none.
    key = runs.current_key(config, snapshots.find(config).sha256)
    facts: dict[str, Any] = {
        "first_batch": 1,
        "last_batch": 1,
        "synthetic": True,
        "icd": "9cm",
        "revision": "",
        "image": "",
    }
    runs.record(config, TrainedModel(run_id="other", family="g", metrics={}, **facts, **asdict(key)))
    assert retrain.read_figures(config).learnable
    runs.record(config, TrainedModel(run_id="new", family="f", metrics={}, **facts, **asdict(key)))
    with caplog.at_level(logging.WARNING):
        assert [retrain.run(config) for _ in range(3)] == [[], [], []]
    assert caplog.text.count("a person has to act") == 1
    assert query(config, "SELECT retrain, nothing_new FROM monitoring.decisions ORDER BY id") == [
        (True, False),
        (False, True),
        (False, True),
        (False, True),
    ]
    # With other code the same data can be learned from again.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lineage, "code_version", lambda: "0.2.0+new")
        assert len(retrain.run(config)) == 1


def alarm(config: Settings, report_id: str, batch: int | None, columns: list[str], days_ago: int) -> None:
    with postgres.transaction(config, "monitor") as cursor:
        cursor.execute(
            "INSERT INTO monitoring.drift_reports (report_id, subject, batch_id, reference, rows, judged, alarm, rule,"
            " report, measured_at) VALUES (%s, %s, %s, '', 1, true, %s, '{}', '', now() - make_interval(days => %s))",
            (report_id, "predictions" if batch is None else "batch", batch, columns, days_ago),
        )


def test_drift_waits_for_the_outcomes_of_the_patients_who_drift(registered: Settings, sample: Path) -> None:
    config = registered.replace(source=str(sample), batch_size=700)
    ingest.run(config, every=True)
    process.run(config)
    move_alias(config, "1")
    outcomes_of = dict(query(config, "SELECT batch_id, count(readmitted) FROM clean.encounters GROUP BY 1"))
    columns = ["age", "gender", "race"]
    alarm(config, "batch=0002", 2, [], 20)
    alarm(config, "batch=0003", 3, columns, 10)
    # The batches came today, so all their patients came after the alarm of the predictions.
    alarm(config, "predictions=1", None, columns, 5)
    figures = retrain.read_figures(config)
    assert figures.drifted_outcomes == {"batch": outcomes_of[3], "predictions": sum(outcomes_of.values())}
    assert outcomes_of[3] > 400 and figures.drifted["batch"] == columns
    with postgres.transaction(config, "owner") as cursor:
        cursor.execute("UPDATE clean.encounters SET readmitted = NULL WHERE batch_id = 3")
        cursor.execute("UPDATE raw.batches SET finished = finished - interval '13 days'")
    figures = retrain.read_figures(config)
    assert figures.drifted_outcomes == {"batch": 0, "predictions": 0}
    assert "only 0 outcomes are known" in retrain.decide(figures, 3, 24).reason


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
