"""The model beside the scores that clinicians know: who finds more early readmissions at equal alerts. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from readmission import contract
from readmission.evaluation import metrics
from readmission.evaluation.metrics import Array, Interval, Scored
from readmission.features.known_scores import INPUTS, SCORES, known_scores

#: Metric of the comparison: the share of early readmissions found when a tenth of the encounters is alerted.
RECALL = "recall_at_alert_10"
_RESAMPLES = 200


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One score beside the model, on the same rows.

    Attributes:
        score: Key of SCORES.
        roc_auc: ROC-AUC of the score.
        pr_auc: PR-AUC of the score.
        recall: Share of early readmissions that the score finds when a tenth is alerted. Among equal scores the alerts
            are taken at random.
        model_recall: The same share of the model.
        difference: How much more the model finds, with the interval of the paired patient bootstrap.
    """

    score: str
    roc_auc: float
    pr_auc: float
    recall: float
    model_recall: float
    difference: Interval


def score_frame(frame: pd.DataFrame) -> dict[str, Array]:
    """Return the points of every encounter of a typed frame, by key of SCORES."""
    records = frame.reindex(columns=list(INPUTS)).to_dict("records")
    points = [known_scores({str(name): value for name, value in record.items()}) for record in records]
    return {name: np.array([each[name] for each in points], dtype=np.float64) for name in SCORES}


def as_scored(scored: Scored, points: Array) -> Scored:
    """Return the same rows, ranked by points instead of by the model's risk."""
    risk = points / max(points.max(initial=0), 1)
    rest = (1 - risk) / contract.EARLY
    return Scored(scored.y, np.column_stack([rest] * contract.EARLY + [risk]), scored.patients)


def compare_scores(scored: Scored, points: Mapping[str, Array], seed: int) -> list[Comparison]:
    """Compare the model with every score.

    Args:
        scored: Rows scored by the model.
        points: What `score_frame` returns of the same rows.
        seed: Seed of the bootstrap.
    """
    model = metrics.measure(scored)
    comparisons = []
    for name in SCORES:
        ranked = as_scored(scored, points[name])
        figures = metrics.measure(ranked)
        comparisons.append(
            Comparison(
                score=name,
                roc_auc=figures["roc_auc_30"],
                pr_auc=figures["pr_auc_30"],
                recall=figures[RECALL],
                model_recall=model[RECALL],
                difference=metrics.compare(scored, ranked, RECALL, _RESAMPLES, seed),
            )
        )
    return comparisons


def compare_held_out(scored: Mapping[str, Scored], frames: Mapping[str, pd.DataFrame], seed: int) -> list[Comparison]:
    """Compare the model with every score on all rows that it has not seen.

    Args:
        scored: Rows scored by the model, by split.
        frames: Typed frames of the same rows, by split.
        seed: Seed of the bootstrap.
    """
    parts, columns = list(scored.values()), ("y", "probabilities", "patients")
    rows = Scored(*(np.concatenate([getattr(part, name) for part in parts]) for name in columns))
    return compare_scores(rows, score_frame(pd.concat([frames[split] for split in scored])), seed)


def markdown(comparisons: list[Comparison]) -> str:
    """Return the comparison as a table, with what the data lacks of each score."""
    lines = [
        "Validation and test together, a tenth of encounters alerted: the share of early readmissions that each finds, "
        "and how much more the model finds, with the 95 % interval of the paired bootstrap of patients.",
        "",
        "| score | ROC-AUC | PR-AUC | it finds | the model finds | difference | what it is here |",
        "|---|---|---|---|---|---|---|",
    ]
    for each in comparisons:
        score = SCORES[each.score]
        lines.append(
            f"| {score.label} | {each.roc_auc:.3f} | {each.pr_auc:.3f} | {each.recall:.3f} | {each.model_recall:.3f} "
            f"| {each.difference} | {score.limits} |"
        )
    return "\n".join(lines)


def gate_figures(comparisons: list[Comparison]) -> dict[str, float]:
    """Return what the gates judge: for each score, the lower bound of how much more the model finds."""
    return {f"found_over_{each.score}_low": each.difference.low for each in comparisons}
