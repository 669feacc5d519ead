"""Files of the report on a method: the text, the figures and a picture."""

import json
from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from readmission.evaluation import model_card, plots
from readmission.evaluation.metrics import Interval


def files(text: str, lines: Mapping[str, Mapping[str, Interval]]) -> dict[str, str | Figure]:
    """Return the files of the report by name: Markdown, HTML, JSON and a picture.

    Args:
        text: Report as Markdown.
        lines: Metrics with intervals, by line of the table.
    """
    roc_auc = {label.strip(): figures["roc_auc_30"] for label, figures in lines.items()}
    numbers = {
        label.strip(): {name: vars(figure) for name, figure in figures.items()} for label, figures in lines.items()
    }
    picture = plots.bars(
        {label: interval.value for label, interval in roc_auc.items()},
        [(interval.low, interval.high) for interval in roc_auc.values()],
        "ROC-AUC for readmission within 30 days, 95 % interval",
        "how good the method is",
    )
    return {
        "evaluation.md": text,
        "evaluation.html": model_card.html(text, "How good the method is"),
        "evaluation.json": json.dumps(numbers, indent=2),
        "evaluation.png": picture,
    }


def write(report: Path, contents: Mapping[str, str | Figure]) -> None:
    """Write the files beside each other, called after the report.

    Args:
        report: Path of the Markdown file.
        contents: What `files` returns.
    """
    for name, content in contents.items():
        path = report.with_suffix(Path(name).suffix)
        if isinstance(content, str):
            path.write_text(content)
        else:
            content.savefig(path)
