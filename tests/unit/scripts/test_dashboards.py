"""The dashboards: panels in rows of 24 columns, each with its query."""

from typing import Any

import dashboards

PANELS = """
{uid: {title: T, description: D, variables: [model_version],
 rows: [{title: Row, panels: [PANEL, PANEL, PANEL, PANEL]}]}}
""".replace(
    "PANEL", "{title: P, unit: s, about: A, runbook: B, thresholds: [[null, green], [5, red]], queries: [[q, l]]}"
)


def board() -> dict[str, Any]:
    return dashboards.dashboards(PANELS)["uid"]


def test_panels_fill_a_row_and_continue_below() -> None:
    row, *panels = board()["panels"]
    assert (row["type"], row["gridPos"]["w"]) == ("row", 24)
    positions = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert positions == [(0, 1), (8, 1), (16, 1), (0, 9)]
    assert len({panel["id"] for panel in [row, *panels]}) == 5


def test_a_panel_shows_its_query_threshold_and_runbook() -> None:
    panel = board()["panels"][1]
    (target,) = panel["targets"]
    assert (target["refId"], target["expr"], target["legendFormat"], target["format"]) == ("A", "q", "l", "time_series")
    assert panel["fieldConfig"]["defaults"]["custom"]["thresholdsStyle"] == {"mode": "line"}
    assert panel["links"][0]["url"] == "docs/runbooks/B.md"


def test_variables_are_the_source_the_namespace_and_those_of_the_dashboard() -> None:
    names = [variable["name"] for variable in board()["templating"]["list"]]
    assert names == ["datasource", "namespace", "model_version"]
