"""The dossier of a promoted version: its numbers are those of the database, and an open fact of the site stops it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import mlflow
import pytest
from lxml import etree
from mlflow.tracking import MlflowClient

from readmission.errors import UserError
from readmission.evaluation import checklists, metrics, score_comparison
from readmission.evaluation.site_facts import SiteFacts
from readmission.registry import in_use, tracking
from readmission.settings import Settings
from readmission.steps import promote, train
from readmission.stores import postgres
from readmission.training import dataset, gate_metrics
from tests.integration.training.conftest import clean, query

TOMORROW = (datetime.now(UTC) + timedelta(days=1)).date()
SITE = "".join(f"{name}: says {name}\n" for name in SiteFacts.model_fields if name != "review_due")

PREDICTION = (
    "INSERT INTO serving.predictions (prediction_id, predicted_at, model_name, model_version, inputs, inputs_sha256,"
    " prediction, p_no, p_late, p_early, missing, latency_ms, request_id)"
    " VALUES (%(id)s, now(), 'm', '3', '{}', '', 'NO', 0.8, 0.1, 0.1, '{}', 1, %(request_id)s)"
)


def numbers(text: str) -> dict[str, Any]:
    """Return the figures of an applied model card by their label."""
    results = etree.fromstring(text.encode()).iter("{*}MetricResult")
    return {result[0].text: json.loads(result[1].text) for result in results}


def test_every_number_is_that_of_the_database(system: Settings, sample: Path) -> None:
    config = clean(system, sample, 1).replace(site=f"{SITE}review_due: {TOMORROW}", site_required=True)
    runs = train.run(config, families="logistic_regression")
    promote.run(config)
    files = {
        name: mlflow.artifacts.load_text(f"runs:/{runs['logistic_regression']}/{folder}{name}")
        for folder in ("", "serving/")
        for name in ("model_card.md", "model_card.html", "model_card.es.html", "applied_model_card.xml")
    }
    ((trained,),) = query(config, "SELECT metrics FROM training.runs")
    card = numbers(files["applied_model_card.xml"])
    for name in ("roc_auc_30", "pr_auc_30", "recall_at_alert_10", "ece_30", "brier_30"):
        assert card[name]["value"] == pytest.approx(trained[f"test_{name}"], abs=1e-9), name
        assert f"{trained[f'test_{name}']:.4f}" in files["model_card.md"], name
    ((reasons,),) = query(config, "SELECT reasons FROM training.promotions")
    for check in reasons:
        assert f"| {check['gate']} | {check['figure']} | {check['value']:.4g} |" in files["model_card.md"]
    assert reasons[-1]["gate"] == "site_facts_stated" and reasons[-1]["passed"]
    rows = dict(query(config, "SELECT split, count(*) FROM clean.encounters GROUP BY split"))
    for split, count in rows.items():
        assert f"| {split} | {count:,} |" in files["model_card.md"], split
    for part in ("says funding", "TRIPOD+AI", "EU AI Act", "SYNTHETIC"):
        assert part in files["model_card.md"] and part in files["model_card.html"]
    assert checklists.OPEN not in files["model_card.md"]
    recomputed = figures(config, runs["logistic_regression"])
    assert card.keys() <= recomputed.keys()
    for name, figure in card.items():
        assert figure == pytest.approx(recomputed[name], abs=1e-9), name
    counts = "SELECT race, count(*) FROM clean.encounters WHERE split IN ('validation', 'test') GROUP BY race"
    for level, count in query(config, f"{counts} HAVING race IS NOT NULL"):
        assert f"| race {level} | {count:,} |" in files["model_card.md"], level


def figures(config: Settings, run_id: str) -> dict[str, Any]:
    """Return every figure of the applied model card, computed anew from the encounters and the run's Pipeline."""
    data = dataset.load(config, held_out=True)
    pipeline = tracking.load_pipeline(tracking.model_uri(MlflowClient(config.mlflow.tracking_uri), run_id))
    held_out = gate_metrics.held_out_metrics(data, pipeline)
    intervals = metrics.intervals(held_out.scored["test"], 200, config.seed)
    comparisons = score_comparison.compare_held_out(held_out.scored, data.frames, config.seed)
    judged = [group for group in held_out.slices if group.judged]
    return {
        **{name: vars(interval) for name, interval in intervals.items()},
        **{f"found_more_than_{each.score}": vars(each.difference) for each in comparisons},
        **{f"{group.column} {group.level}": {"found": group.recall, "observed": group.prevalence} for group in judged},
        "judged groups": len(judged),
    }


def test_an_open_fact_of_the_site_refuses_the_promotion_and_says_which(system: Settings, sample: Path) -> None:
    config = clean(system, sample, 1).replace(site_required=True)
    train.run(config, families="decision_tree")
    with pytest.raises(UserError, match="No candidate passes"):
        promote.run(config)
    overdue = f"{SITE}review_due: 2020-01-01"
    with pytest.raises(UserError, match="No candidate passes"):
        promote.run(config.replace(site=overdue))
    checks = [reasons[-1] for (reasons,) in query(config, "SELECT reasons FROM training.promotions ORDER BY id")]
    assert [check["gate"] for check in checks] == ["site_facts_stated"] * 2
    assert "funding is empty" in checks[0]["reason"] and "the review was due on 2020-01-01" in checks[1]["reason"]
    with pytest.raises(UserError, match="READMISSION_SITE: fundin: Extra inputs"):
        promote.run(config.replace(site="fundin: nobody\n"))
    # Where it is not required, an open fact is shown as open and stops nothing.
    assert promote.run(config.replace(site_required=False))


def test_figures_in_use_are_read_as_they_were_measured(database: Settings) -> None:
    with postgres.transaction(database, "monitor") as cursor:
        cursor.execute(
            "INSERT INTO monitoring.quality (measured_on, model_version, source, slice, level, metric, n, positives,"
            " coverage, value) VALUES ('2026-11-01', '3', 'feedback', 'all', 'all', 'roc_auc_30', 900, 90, 1, 0.61),"
            " ('2026-11-08', '3', 'feedback', 'all', 'all', 'roc_auc_30', 950, 95, 1, 0.62),"
            " ('2026-11-08', '3', 'feedback', 'race', 'Asian', 'ece_30', 50, 5, 1, 0.03)"
        )
    with postgres.transaction(database, "serving") as cursor:
        for number, request_id in enumerate(("", "ward-7", "demo-sandbox")):
            prediction = f"01890000-0000-7000-8000-00000000000{number}"
            cursor.execute(PREDICTION, {"id": prediction, "request_id": request_id})
            cursor.execute(
                "INSERT INTO serving.card_feedback VALUES (%s, 'overridden', 'disagree', '', now(), now())",
                (prediction,),
            )
    assert [(f.group, f.metric, f.encounters, f.value) for f in in_use.live_figures(database, "3")] == [
        ("all", "roc_auc_30", 950, 0.62),
        ("race Asian", "ece_30", 50, 0.03),
    ]
    assert in_use.live_figures(database, "4") == in_use.live_figures(database, None) == ()
    (cards,) = in_use.card_feedback(database)
    assert (cards.version, cards.outcome, cards.reason, cards.cards) == ("3", "overridden", "disagree", 2)
