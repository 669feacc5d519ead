"""Dashboards as pictures: the panels of panels.yaml, their queries asked of Prometheus, drawn without Grafana."""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from matplotlib.axes import Axes
from matplotlib.figure import Figure

PANELS = Path(__file__).parents[1] / "charts" / "observability" / "panels.yaml"
#: Asks Prometheus: path below /api/v1 and parameters -> the result.
Ask = Callable[[str, Mapping[str, str]], list[dict[str, Any]]]
#: Panels in a row of a picture, seconds that lines go back, and their step.
_ACROSS, _BACK, _STEP = 4, 900, 5
_COLOURS = ("#0f766e", "#b45309", "#1d4ed8", "#be185d", "#4d7c0f", "#6d28d9", "#475569", "#b91c1c")
#: unit -> how a number is written; others are written as they are.
_UNITS: Mapping[str, Callable[[float], str]] = {
    "percentunit": "{:.1%}".format,
    "s": lambda seconds: f"{seconds / 3600:.1f} h" if seconds >= 7200 else f"{seconds:.3g} s",
    "bytes": lambda size: f"{size / 1e6:,.0f} MB",
    "reqps": "{:.3g} /s".format,
    "bool_on_off": lambda value: "on" if value else "off",
    "bool_yes_no": lambda value: "yes" if value else "no",
}


def draw_dashboard(ask: Ask, uid: str, rows: Sequence[str]) -> Figure:
    """Draw some rows of a dashboard.

    Args:
        ask: Asks Prometheus.
        uid: Key of panels.yaml.
        rows: Titles of the rows.
    """
    board = yaml.safe_load(PANELS.read_text())[uid]
    panels = [panel for row in board["rows"] if row["title"] in rows for panel in row["panels"]]
    down = -(-len(panels) // _ACROSS)
    figure = Figure(figsize=(12.8, 0.5 + 2.1 * down), dpi=100, layout="constrained")
    figure.suptitle(board["title"], x=0.01, ha="left", fontsize=13, fontweight="bold")
    for axes, panel in zip(figure.subplots(down, _ACROSS, squeeze=False).flat, panels, strict=False):
        draw_panel(axes, panel, ask)
    for axes in figure.axes[len(panels) :]:
        axes.remove()
    return figure


def draw_panel(axes: Axes, panel: Mapping[str, Any], ask: Ask) -> None:
    """Draw one panel; without an answer, the reason that panels.yaml has for it."""
    kind, write = panel.get("kind", "lines"), _UNITS.get(panel["unit"], "{:.4g}".format)
    axes.set_title(panel["title"], loc="left", fontsize=9)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=7)
    path = "query_range" if kind in ("lines", "heat") else "query"
    series = list(_series(panel["queries"], ask, path))
    if not series:
        _write(axes, [panel.get("absent", "no data yet")], 8)
    elif path == "query_range":
        _draw_lines(axes, series, write)
    elif kind == "bars":
        _draw_bars(axes, series, write)
    else:
        names = [name if kind == "name" else f"{name}  {write(values[-1][1])}" for name, values in series]
        single = [write(series[0][1][-1][1])] if len(series) == 1 and kind == "stat" else names
        _write(axes, single, 18 if single is not names else 9)


def _series(queries: Sequence[Sequence[str]], ask: Ask, path: str) -> Iterator[tuple[str, list[tuple[float, float]]]]:
    """Yield the name of each series with its points (time, value); those without a number are left out."""
    now = time.time()
    window = {"start": f"{now - _BACK:.0f}", "end": f"{now:.0f}", "step": f"{_STEP}"} if path == "query_range" else {}
    for expression, legend in queries:
        plain = re.sub(r"\$(namespace|model_version)", ".*", expression)
        for result in ask(path, {"query": plain} | window):
            labels = result["metric"]
            name = legend
            for label in re.findall(r"{{(\w+)}}", legend):
                name = name.replace(f"{{{{{label}}}}}", labels.get(label, ""))
            points = [(float(at), float(value)) for at, value in result.get("values") or [result["value"]]]
            points = [point for point in points if point[1] == point[1]]
            if points:
                yield name.strip().replace("_", " "), points


def _draw_lines(axes: Axes, series: list[tuple[str, list[tuple[float, float]]]], write: Callable[[float], str]) -> None:
    last = max(points[-1][0] for _, points in series)
    highest = sorted(series, key=lambda pair: -pair[1][-1][1])
    for number, (name, points) in enumerate(highest[: len(_COLOURS)]):
        minutes = [(at - last) / 60 for at, _ in points]
        axes.plot(minutes, [value for _, value in points], color=_COLOURS[number], linewidth=1.2, label=name)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(lambda value, _: write(value))
    axes.set_xlabel("minutes", fontsize=7)
    axes.legend(fontsize=6, frameon=False, loc="upper left")


def _draw_bars(axes: Axes, series: list[tuple[str, list[tuple[float, float]]]], write: Callable[[float], str]) -> None:
    pairs = sorted(((name, points[-1][1]) for name, points in series), key=lambda pair: pair[1])[-8:]
    bars = axes.barh([name[:28] for name, _ in pairs], [value for _, value in pairs], color=_COLOURS[0])
    axes.bar_label(bars, [write(value) for _, value in pairs], fontsize=7, padding=2)
    axes.margins(x=0.25)
    axes.set_ylim(-0.6, max(len(pairs), 4) - 0.4)
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)


def _write(axes: Axes, lines: Sequence[str], size: int) -> None:
    axes.set_axis_off()
    axes.text(0.0, 0.9, "\n".join(lines[:8]), fontsize=size, va="top", transform=axes.transAxes, wrap=True)
