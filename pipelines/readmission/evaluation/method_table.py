"""Table of the figures of a method, as Markdown: one line a variant. Pure."""

from collections.abc import Collection, Iterator, Mapping

from readmission.evaluation.metrics import Interval

#: Metrics of every line.
SHOWN = ("roc_auc_30", "pr_auc_30", "ece_30", "ece_any", "accuracy", "accuracy_always_no", "f1_macro")
#: What an indented line changes of the line above it, on the same rows: key -> metric.
CHANGES = {"change_roc_auc_30": "roc_auc_30", "change_pr_auc_30": "pr_auc_30"}
#: What is shown of a score: points are no probabilities, so they have neither calibration nor classes.
_RANKS = frozenset({"roc_auc_30", "pr_auc_30"})
_HEADS = (
    "what",
    "ROC-AUC <30",
    "PR-AUC <30",
    "ECE <30",
    "ECE any",
    "accuracy",
    "always NO",
    "macro F1",
    "change of ROC-AUC",
    "change of PR-AUC",
)
_PUBLISHED = ("published results without leaks (range)", "0.65 to 0.684", "0.19 to 0.235")


def markdown(lines: Mapping[str, Mapping[str, Interval]], scores: Collection[str], *, published: bool) -> Iterator[str]:
    """Yield the lines of the table.

    Args:
        lines: Metrics with intervals, by label; an indented label changes one thing of the line above it.
        scores: Labels of scores.
        published: Whether to end with what papers report of this data.
    """
    yield _line(_HEADS)
    yield "|---" * len(_HEADS) + "|"
    for label, figures in lines.items():
        names = (name if label not in scores or name in _RANKS else "" for name in (*SHOWN, *CHANGES))
        yield _line((label, *(_cell(figures[name]) if name in figures else "" for name in names)))
    if published:
        yield _line((*_PUBLISHED, *("" for _ in _HEADS[len(_PUBLISHED) :])))


def _line(cells: Collection[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(interval: Interval) -> str:
    return f"{interval.value:.4f} [{interval.low:.4f}, {interval.high:.4f}]"
