"""Write the model card of one version. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

import pandas as pd
from markdown_it import MarkdownIt

from readmission import contract
from readmission.contract.risk import OperatingPoint
from readmission.evaluation.fairness import Slice
from readmission.evaluation.gates import Verdict
from readmission.evaluation.metrics import ALERT_RATES, Interval

_METRICS = {
    "roc_auc_30": "ROC-AUC, readmission within 30 days",
    "pr_auc_30": "PR-AUC, readmission within 30 days",
    "prevalence_30": "prevalence",
    "brier_30": "Brier score",
    "ece_30": "calibration error (ECE)",
    "accuracy": "accuracy, three classes",
    "f1_score_weighted": "F1, weighted",
    "f1_macro": "F1, macro",
}
_GROUPS = ["group", "encounters", "observed", "predicted", "alerted", "found", "promised", "ROC-AUC", "judged"]
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1e293b}"
    "table{border-collapse:collapse;display:block;overflow-x:auto}td,th{border-bottom:1px solid #cbd5e1;"
    "padding:.25rem .75rem;text-align:left}code{background:#f1f5f9;padding:0 .2rem}"
)


@dataclass(frozen=True)
class Facts:
    """Hold what a card tells.

    Attributes:
        name, family: of the model.
        lineage: what it was made from, by name: data hash, batches, code, seed, run.
        rows, patients: counts by split.
        synthetic: whether the data was made up.
        intervals: metrics on test.
        points: operating points, from validation.
        slices: groups of people.
        verdict: of the gates.
        importance: columns permutation, shap, own; a feature a row, the largest first.
        earlier: the last champions, a row each (`audit.champions`).
    """

    name: str
    family: str
    lineage: Mapping[str, str]
    rows: Mapping[str, int]
    patients: Mapping[str, int]
    synthetic: bool
    intervals: Mapping[str, Interval]
    points: tuple[OperatingPoint, ...]
    slices: list[Slice]
    verdict: Verdict
    importance: pd.DataFrame
    earlier: pd.DataFrame


def markdown(facts: Facts) -> str:
    """Return the card as Markdown."""
    warning = "\n**Trained on SYNTHETIC data: nothing here says anything about patients.**\n" if facts.synthetic else ""
    excluded = ", ".join(map(str, sorted(contract.EXCLUDED_DISPOSITIONS)))
    parts = [
        f"# Model card: {facts.name}, {facts.family.replace('_', ' ')}\n{warning}",
        "## What it is for\n\nIt ranks encounters of patients with diabetes at discharge by the risk of a readmission "
        "within 30 days, so that a team can decide whom to follow up. It also gives the chance of a later and of no "
        "readmission. It is **not** for: deciding on treatment or discharge, patients without diabetes, newborns, "
        "payment or denial of care, or hospitals whose data has not been compared with the training data "
        "(US hospitals, 1999-2008).",
        "## Data\n\n" + _table(["split", "encounters", "patients"], [
            [name, f"{count:,}", f"{facts.patients[name]:,}"] for name, count in facts.rows.items()
        ]) + "\n\nA patient is in one split for ever. Left out: encounters that ended in death or hospice "
        f"(discharge dispositions {excluded}), which no readmission can follow.",
        "## Quality on test\n\nIn brackets 95 % intervals by bootstrap of patients.\n\n"
        + _table(["figure", "value"], [[words, str(facts.intervals[n])] for n, words in _METRICS.items()]),
        "## Operating points\n\nChosen and measured on validation, by the share of encounters alerted, and by what an "
        "early readmission costs beside a follow-up. The decision curve (`decision_curve.png`) is drawn on test.\n\n"
        + _table(["by", "risk at least", "alerted", "early readmissions found", "alerts that are right"], [
            [p.rule, f"{p.threshold:.3f}", f"{p.alerts:.1%}", f"{p.recall:.3f}", f"{p.precision:.3f}"]
            for p in facts.points
        ])
        + "\n\nThe same shares alerted on test:\n\n"
        + _table(["encounters alerted", "early readmissions found", "alerts that are right"], [
            [
                f"{rate:.0%}", str(facts.intervals[f"recall_at_alert_{round(rate * 100)}"]),
                str(facts.intervals[f"precision_at_alert_{round(rate * 100)}"]),
            ]
            for rate in ALERT_RATES
        ]),
        "## Groups of people\n\nValidation and test together, a tenth of encounters alerted. Groups with few "
        "encounters are shown, not judged. *Found* is the share of early readmissions above the threshold, *promised* "
        "what the group's own risks lead one to expect of it.\n\n"
        + _table(_GROUPS, [
            [
                f"{s.column} {s.level}", f"{s.rows:,}", f"{s.prevalence:.3f}", f"{s.predicted:.3f}", f"{s.alerts:.3f}",
                f"{s.recall:.3f}", f"{s.promised:.3f}", f"{s.roc_auc:.3f}", "yes" if s.judged else "no",
            ]
            for s in facts.slices
        ]),
        "## Gates\n\n" + _table(["gate", "figure", "value", "limit", "met", "why it is there"], [
            [
                c.gate, c.figure, "missing" if c.value is None else f"{c.value:.4g}", c.limit,
                "yes" if c.passed else "**no**", c.reason,
            ]
            for c in facts.verdict.checks
        ]),
        "## What it leans on\n\nBy the loss of ROC-AUC when a feature is shuffled (permutation, validation), by the "
        "mean size of its contributions in log-odds (SHAP, a sample of validation; empty where the family has none), "
        "and by what the model itself counts.\n\n"
        + _table(["feature", "permutation", "SHAP", "own share"], [
            [n, f"{row.permutation:.4f}", "" if row.shap != row.shap else f"{row.shap:.4f}", f"{row.own:.3f}"]
            for n, row in facts.importance.head(20).iterrows()
        ]),
        "## Beside the champions before\n\nFigures of test, of the splits as they were then.\n\n"
        + (_table([c.replace("_", " ") for c in facts.earlier], facts.earlier.round(4).astype(str).to_numpy().tolist())
           if len(facts.earlier) else "There was none."),
        "## Lineage\n\n" + _table(["what", "which"], [[n, f"`{v}`"] for n, v in facts.lineage.items()]),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def html(text: str, title: str) -> str:
    """Return Markdown as one HTML page that needs nothing else."""
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>{body}</body></html>'
    )


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
