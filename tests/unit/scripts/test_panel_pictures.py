"""Panels are drawn from what Prometheus answers, and say why there is nothing."""

from collections.abc import Mapping
from typing import Any

import panel_pictures
import pytest
from matplotlib.figure import Figure


def texts(panel: Mapping[str, Any], results: list[dict[str, Any]]) -> str:
    """Return every text of a panel that is drawn."""
    asked: list[tuple[str, str]] = []

    def ask(path: str, parameters: Mapping[str, str]) -> list[dict[str, Any]]:
        asked.append((path, parameters["query"]))
        return results

    axes = Figure().subplots()
    usual = {"title": "T", "unit": "s", "queries": [['m{v=~"$namespace"}', "{{v}}"]]}
    panel_pictures.draw_panel(axes, usual | dict(panel), ask)
    assert asked == [("query" if "kind" in panel else "query_range", 'm{v=~".*"}')]
    legend = axes.get_legend()
    drawn = [*axes.texts, *(legend.get_texts() if legend else ()), *axes.get_yticklabels(), axes.title]
    return " ".join([text.get_text() for text in drawn] + [axes.get_title(loc="left")])


@pytest.mark.parametrize(
    ("panel", "expected"),
    [
        ({"kind": "stat"}, "0.25 s"),
        ({"kind": "stat", "unit": "percentunit"}, "25.0%"),
        ({"kind": "name"}, "a b"),
        ({"kind": "bars"}, "0.25 s"),
    ],
)
def test_the_newest_value_is_written_in_its_unit(panel: dict[str, Any], expected: str) -> None:
    assert expected in texts(panel, [{"metric": {"v": "a_b"}, "value": [100, "0.25"]}])


def test_lines_have_a_legend() -> None:
    results = [{"metric": {"v": name}, "values": [[0, "1"], [5, "2"]]} for name in ("one", "two")]
    assert {"one", "two", "T"} <= set(texts({}, results).split())


def test_a_panel_without_an_answer_says_why() -> None:
    assert "nothing was turned away" in texts({"absent": "nothing was turned away"}, [])
    assert "no data yet" in texts({"kind": "stat"}, [{"metric": {}, "value": [1, "NaN"]}])


def test_a_dashboard_has_the_panels_of_its_rows() -> None:
    figure = panel_pictures.draw_dashboard(lambda path, parameters: [], "readmission-model", ["Champion"])
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[:2] == ["Champion", "Age"] and len(titles) == 6
