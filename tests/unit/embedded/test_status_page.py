"""The status page's alerts and figures, without a Prometheus."""

from collections.abc import Mapping
from typing import Any

import pytest

from readmission.embedded.status_page import FIGURES, alert_list, figure

FORMS = {label: form for label, _, form in FIGURES}


def alert(name: str, state: str, severity: str) -> dict[str, Any]:
    notes = {"summary": name, "description": "<i>", "runbook_url": f"http://board/runbooks/{name}.md"}
    labels = {"alertname": name, "severity": severity}
    return {"state": state, "labels": labels, "annotations": notes, "activeAt": "2026-11-27T08:15:00Z"}


@pytest.mark.parametrize(
    ("label", "value", "text"),
    [
        ("Requests", "12.3456", "12.3 /s"),
        ("Server errors", "0.0005", "0.05%"),
        ("p99 of /predict", "0.00071", "0.71 ms"),
        ("Log backlog", "3210000", "3.21 MB"),
        ("Age of the data", "7200", "2.0 hours"),
        ("p99 of /predict", "NaN", "no data yet"),
    ],
)
def test_figures_are_written_for_people(label: str, value: str, text: str) -> None:
    assert figure([{"metric": {}, "value": [0, value]}], FORMS[label]) == text


def test_champion_is_named_by_its_labels() -> None:
    result: list[Mapping[str, Any]] = [{"metric": {"model_version": "3", "family": "random_forest"}, "value": [0, "2"]}]
    assert figure(result, FORMS["Champion"]) == "version 3, random forest"
    assert figure([], FORMS["Champion"]) == "no data yet"


def test_gravest_alert_comes_first_with_its_runbook() -> None:
    alerts = [alert("C", "pending", "critical"), alert("B", "firing", "warning"), alert("A", "firing", "critical")]
    drawn = alert_list(alerts)
    positions = [drawn.index(f"/runbooks/{name}.md") for name in "ABC"]
    assert positions == sorted(positions)
    assert "<li class=pending>" in drawn
    assert "<i>" not in drawn
    assert "No alert fires" in alert_list([])
