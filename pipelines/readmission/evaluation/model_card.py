"""Model card of one version, as Markdown and HTML. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

import pandas as pd
from markdown_it import MarkdownIt

from readmission import contract
from readmission.contract.risk import INTENDED_USE, NO_HORIZON, OperatingPoint
from readmission.evaluation import in_use, refits, score_comparison
from readmission.evaluation.fairness import Slice
from readmission.evaluation.gates import Verdict
from readmission.evaluation.in_use import CardCounts, LiveFigure
from readmission.evaluation.metrics import Interval
from readmission.evaluation.ranking import ALERT_RATES
from readmission.evaluation.refits import RefitRecord
from readmission.evaluation.score_comparison import Comparison

#: Figures of test that a card shows: key of `metrics.measure` -> words.
METRICS = {
    "roc_auc_30": "ROC-AUC, readmission within 30 days",
    "pr_auc_30": "PR-AUC, readmission within 30 days",
    "prevalence_30": "prevalence",
    "brier_30": "Brier score",
    "ece_30": "calibration error (ECE)",
    "recent_ece_any": "calibration error of any readmission, newest 1,500",
    "accuracy": "accuracy, three classes",
    "accuracy_always_no": "accuracy of always answering NO",
    "f1_score_weighted": "F1, weighted",
    "f1_macro": "F1, macro",
}
_GROUPS = ["group", "encounters", "observed", "predicted", "alerted", "found", "promised", "ROC-AUC", "judged"]
#: What the model must not be used for.
OUT_OF_SCOPE = (
    "deciding on treatment or discharge, patients without diabetes, newborns, payment or denial of care, or hospitals "
    "whose data has not been compared with the training data (US hospitals, 1999-2008)."
)
_PURPOSE = (
    "It ranks encounters of patients with diabetes at discharge by the risk of a readmission within 30 days, so that a "
    f"team can decide whom to follow up. It also gives the chance of a later and of no readmission. {INTENDED_USE} It "
    f"is **not** for: {OUT_OF_SCOPE}"
)
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1e293b;"
    "background:#fff}"
    "h1{overflow-wrap:anywhere}"
    "table{border-collapse:collapse;display:block;overflow-x:auto}td,th{border-bottom:1px solid #cbd5e1;"
    "padding:.25rem .75rem;text-align:left}code{background:#f1f5f9;padding:0 .2rem}"
    "@media(prefers-color-scheme:dark){:root{color-scheme:dark}body{color:#e2e8f0;background:#0f172a}"
    "td,th{border-color:#475569}code{background:#1e293b}}"
)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Content of a model card.

    Attributes:
        name: Name of the registered model.
        family: Key of models.FAMILIES.
        lineage: What the version was made from, by name: data hash, batches, code, seed, run.
        rows: Number of encounters by split.
        patients: Number of patients by split.
        synthetic: Whether the data was generated.
        intervals: Metrics on test.
        points: Operating points of the judged model, from validation.
        slices: Quality on groups of people.
        comparisons: The model beside the scores that clinicians know.
        verdict: Verdict of the gates.
        importance: Columns permutation, shap and own (`importance.table`); one row a feature, the largest first.
        earlier: The last champions, one row each (`ledger.champions`).
        live: Quality in use of the champion that this version is to follow; empty if no outcome is known.
        feedback: What clinicians did with cards so far, by version.
        refit: What serves in the place of the judged model. None if that serves itself.
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
    comparisons: list[Comparison]
    verdict: Verdict
    importance: pd.DataFrame
    earlier: pd.DataFrame
    live: tuple[LiveFigure, ...] = ()
    feedback: tuple[CardCounts, ...] = ()
    refit: RefitRecord | None = None


def markdown(facts: Facts) -> str:
    """Return the card as Markdown."""
    warning = "\n**Trained on SYNTHETIC data: nothing here says anything about patients.**\n" if facts.synthetic else ""
    sections = {
        "What it is for": _PURPOSE,
        "Data": _data(facts),
        "Whose figures these are": refits.markdown(facts.refit),
        "Quality on test": _quality(facts),
        "Operating points": _operating_points(facts),
        "Beside the scores that clinicians know": score_comparison.markdown(facts.comparisons),
        "Groups of people": _groups(facts),
        "Gates": _gates(facts),
        "What it leans on": _importance(facts),
        "Beside the champions before": _earlier(facts),
        "In use until now": in_use.markdown(facts.live, facts.feedback),
        "Lineage": _table(["what", "which"], [[name, f"`{value}`"] for name, value in facts.lineage.items()]),
    }
    parts = [f"# Model card: {facts.name}, {facts.family.replace('_', ' ')}\n{warning}"]
    parts += [f"## {title}\n\n{text}" for title, text in sections.items()]
    return "\n\n".join(parts) + "\n"


def _data(facts: Facts) -> str:
    excluded = ", ".join(map(str, sorted(contract.EXCLUDED_DISPOSITIONS)))
    rows = [[split, f"{count:,}", f"{facts.patients[split]:,}"] for split, count in facts.rows.items()]
    return (
        _table(["split", "encounters", "patients"], rows)
        + "\n\nA patient is in one split for ever. Left out: encounters that ended in death or hospice "
        f"(discharge dispositions {excluded}), which no readmission can follow."
    )


def _quality(facts: Facts) -> str:
    rows = [[label, str(facts.intervals[name])] for name, label in METRICS.items()]
    return f"In brackets 95 % intervals by bootstrap of patients. {NO_HORIZON}\n\n" + _table(["figure", "value"], rows)


def _operating_points(facts: Facts) -> str:
    points = facts.refit.points if facts.refit else facts.points
    chosen = [
        [p.rule, f"{p.threshold:.3f}", f"{p.alerts:.1%}", f"{p.recall:.3f}", f"{p.precision:.3f}"] for p in points
    ]
    on_test = []
    for rate in ALERT_RATES:
        percent = round(rate * 100)
        figures = [facts.intervals[f"{name}_at_alert_{percent}"] for name in ("recall", "precision")]
        on_test.append([f"{rate:.0%}", *map(str, figures)])
    head = ["early readmissions found", "alerts that are right"]
    where = "scores of patients that each fold had not seen, without those of test," if facts.refit else "validation,"
    return (
        f"Chosen and measured on {where} by the share of encounters alerted, and by what an early readmission "
        "costs beside a follow-up. The decision curve (`decision_curve.png`) is drawn on test.\n\n"
        + _table(["by", "risk at least", "alerted", *head], chosen)
        + "\n\nThe same shares alerted on test, by the judged model:\n\n"
        + _table(["encounters alerted", *head], on_test)
    )


def _groups(facts: Facts) -> str:
    rows = [
        [
            f"{group.column} {group.level}",
            f"{group.rows:,}",
            f"{group.prevalence:.3f}",
            f"{group.predicted:.3f}",
            f"{group.alerts:.3f}",
            f"{group.recall:.3f}",
            f"{group.promised:.3f}",
            f"{group.roc_auc:.3f}",
            "yes" if group.judged else "no",
        ]
        for group in facts.slices
    ]
    return (
        "Validation and test together, a tenth of encounters alerted. Groups with few early readmissions are shown, "
        "not judged. *Found* is the share of early readmissions above the threshold, *promised* what the group's own "
        "risks lead one to expect of it.\n\n" + _table(_GROUPS, rows)
    )


def _gates(facts: Facts) -> str:
    rows = [
        [
            check.gate,
            check.figure,
            "missing" if check.value is None else f"{check.value:.4g}",
            check.limit,
            "yes" if check.passed and not check.waived else f"waived: {check.waived}" if check.waived else "**no**",
            check.reason,
        ]
        for check in facts.verdict.checks
    ]
    return _table(["gate", "figure", "value", "limit", "met", "why it is there"], rows)


def _importance(facts: Facts) -> str:
    rows = [
        [name, f"{row.permutation:.4f}", "" if pd.isna(row.shap) else f"{row.shap:.4f}", f"{row.own:.3f}"]
        for name, row in facts.importance.head(20).iterrows()
    ]
    return (
        "By the loss of ROC-AUC when a feature is shuffled (permutation, validation), by the mean size of its "
        "contributions in log-odds (SHAP, a sample of validation; empty where the family has none), and by what the "
        "model itself counts.\n\n" + _table(["feature", "permutation", "SHAP", "own share"], rows)
    )


def _earlier(facts: Facts) -> str:
    if facts.earlier.empty:
        table = "There was none."
    else:
        head = [str(column).replace("_", " ") for column in facts.earlier]
        table = _table(head, facts.earlier.round(4).astype(str).to_numpy().tolist())
    return "Figures of test, of the splits as they were then.\n\n" + table


def html(text: str, title: str, language: str = "en") -> str:
    """Return Markdown as one HTML page that loads nothing."""
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    body = body.replace("<table>", '<table tabindex="0">')  # a wide one scrolls, by keyboard too
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body><main>{body}</main></body></html>"
    )


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
