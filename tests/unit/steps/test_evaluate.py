"""The files of the report on the method."""

import json

from matplotlib.figure import Figure

from readmission.evaluation.metrics import Interval
from readmission.steps import evaluate


def test_the_report_is_markdown_html_json_and_a_picture() -> None:
    figures = {"roc_auc_30": Interval(0.65, 0.64, 0.66)}
    files = evaluate.report_files("# Method", {"lightgbm": figures, "  new patients alone": figures})
    assert files["evaluation.md"] == "# Method"
    assert "<h1>Method</h1>" in str(files["evaluation.html"])
    numbers = json.loads(str(files["evaluation.json"]))
    assert numbers["new patients alone"] == {"roc_auc_30": {"value": 0.65, "low": 0.64, "high": 0.66}}
    assert isinstance(files["evaluation.png"], Figure)
