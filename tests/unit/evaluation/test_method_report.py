"""The files of the report on the method."""

import json
from pathlib import Path

from matplotlib.figure import Figure

from readmission.evaluation import method_report
from readmission.evaluation.metrics import Interval


def test_the_report_is_markdown_html_json_and_a_picture(tmp_path: Path) -> None:
    figures = {"roc_auc_30": Interval(0.65, 0.64, 0.66)}
    files = method_report.files("# Method", {"lightgbm": figures, "  new patients alone": figures})
    assert files["evaluation.md"] == "# Method"
    assert "<h1>Method</h1>" in str(files["evaluation.html"])
    numbers = json.loads(str(files["evaluation.json"]))
    assert numbers["new patients alone"] == {"roc_auc_30": {"value": 0.65, "low": 0.64, "high": 0.66}}
    assert isinstance(files["evaluation.png"], Figure)
    method_report.write(tmp_path / "method.md", files)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"method.{end}" for end in ("html", "json", "md", "png")
    ]
