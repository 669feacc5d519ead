"""Draw a panel's series as HTML and SVG that a tired person can read, on a telephone too."""

import math
import time
from collections.abc import Sequence
from html import escape
from typing import Any

#: Name, times (seconds since 1970), values.
Series = tuple[str, Sequence[float], Sequence[float]]
_COLORS = {"green": "#1b7a3d", "orange": "#b45f06", "red": "#b3261e"}
_LINES = ("#1f6f8b", "#b45f06", "#6a4c93", "#1b7a3d", "#b3261e", "#5f6368")
_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 320, 130, 44, 16
#: Series that one picture shows; the legend says how many more there are.
_MOST = 6


def words(value: float, unit: str) -> str:
    """Write a number with its unit for a person."""
    if math.isnan(value):
        return "–"
    match unit:
        case "percentunit":
            return f"{value:.3g} × 100 %" if abs(value) >= 100 else f"{100 * value:.3g} %"
        case "bool_on_off" | "bool_yes_no":
            return "yes" if value else "no"
        case "s":
            return _duration(value)
        case "bytes":
            size = next((s for s in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")) if abs(value) >= s[0]), (1, "B"))
            return f"{value / size[0]:.3g} {size[1]}"
        case "reqps" | "ops":
            return f"{value:.3g} /s"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _duration(value: float) -> str:
    for size, name in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        if abs(value) >= (1.5 * size if size > 1 else 1):
            return f"{value / size:.3g} {name}"
    return f"{1000 * value:.3g} ms"


def panel(kind: str, defaults: dict[str, Any], options: dict[str, Any], series: list[Series]) -> str:
    """Draw one panel by its kind in Grafana.

    Args:
        kind: timeseries, stat, bargauge, heatmap.
        defaults: its fieldConfig.defaults: unit and thresholds.
        options: its options.
        series: what its queries answered; not empty.
    """
    unit, steps = defaults["unit"], defaults["thresholds"]["steps"]
    if options.get("textMode") == "name":
        return "".join(f"<p class=value>{escape(name)}</p>" for name, _, _ in series)
    if kind == "timeseries":
        return _lines(series, unit, steps)
    if kind == "heatmap":
        return _bars(_shares(series), "percentunit", steps)
    last = [(name, values[-1]) for name, _, values in series]
    return _stats(last, unit, steps) if kind == "stat" else _bars(sorted(last, key=lambda s: -s[1])[:15], unit, steps)


def _color(value: float, steps: list[dict[str, Any]]) -> str:
    reached = [step["color"] for step in steps if step["value"] is None or value >= step["value"]]
    return reached[-1] if reached else "green"


def _limited(steps: list[dict[str, Any]]) -> bool:
    return len(steps) > 1


def _stats(last: list[tuple[str, float]], unit: str, steps: list[dict[str, Any]]) -> str:
    rows = []
    for name, value in last:
        color = _color(value, steps) if _limited(steps) else ""
        mark = {"red": "✗ ", "orange": "! ", "green": "✓ "}.get(color, "")
        label = f" <span>{escape(name)}</span>" if len(last) > 1 else ""
        rows.append(f"<p class='value {color}'>{mark}{words(value, unit)}{label}</p>")
    return "".join(rows)


def _bars(last: list[tuple[str, float]], unit: str, steps: list[dict[str, Any]]) -> str:
    most = max((abs(value) for _, value in last if not math.isnan(value)), default=0) or 1
    rows = []
    for name, value in last:
        color = _color(value, steps) if _limited(steps) else ""
        width = 0 if math.isnan(value) else 100 * abs(value) / most
        rows.append(
            f"<tr><th>{escape(name)}</th><td><i class='{color}' style='width:{width:.0f}%'></i></td>"
            f"<td class='{color}'>{words(value, unit)}</td></tr>"
        )
    return f"<table class=bars>{''.join(rows)}</table>"


def _shares(buckets: list[Series]) -> list[tuple[str, float]]:
    """Return the share of each bucket of a cumulative histogram, by its upper bound."""
    last = sorted((float(name), values[-1]) for name, _, values in buckets)
    total = last[-1][1]
    below = [0.0, *(value for _, value in last[:-1])]
    return [
        (f"up to {words(bound, 's')}" if math.isfinite(bound) else "longer", (value - before) / total if total else 0)
        for (bound, value), before in zip(last, below, strict=True)
    ]


def _lines(series: list[Series], unit: str, steps: list[dict[str, Any]]) -> str:
    shown = sorted(series, key=lambda s: -s[2][-1] if s[2][-1] == s[2][-1] else 0)[:_MOST]
    points = [v for _, _, values in shown for v in values if math.isfinite(v)]
    if not points:
        return "<p class=none>no number yet</p>"
    low, high = min(0.0, *points), max(points)
    high = high if high > low else low + 1
    begin, end = min(t[0] for _, t, _ in shown), max(t[-1] for _, t, _ in shown)

    def x(at: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - 4) * (at - begin) / max(1, end - begin)

    def y(value: float) -> float:
        return 6 + (_HEIGHT - _BOTTOM - 6) * (high - value) / (high - low)

    parts = [
        f"<line x1={_LEFT} x2={_WIDTH} y1={y(v):.0f} y2={y(v):.0f} class=grid /><text x={_LEFT - 4} y={y(v) + 4:.0f}"
        f" text-anchor=end>{words(v, unit)}</text>"
        for v in (low, (low + high) / 2, high)
    ]
    for at, anchor in ((begin, "start"), (end, "end")):
        clock = time.strftime("%H:%M" if end - begin < 2 * 86400 else "%d %b", time.gmtime(at))
        parts.append(f"<text x={x(at):.0f} y={_HEIGHT - 2} text-anchor={anchor}>{clock}</text>")
    for step in steps:
        if step["value"] is not None and low < step["value"] <= high:
            at, color = y(step["value"]), _COLORS[step["color"]]
            parts.append(f"<line x1={_LEFT} x2={_WIDTH} y1={at:.0f} y2={at:.0f} stroke='{color}' class=limit />")
    for color, (_, times, values) in zip(_LINES, shown, strict=False):
        path = " ".join(f"{x(t):.1f},{y(v):.1f}" for t, v in zip(times, values, strict=True) if math.isfinite(v))
        parts.append(f"<polyline points='{path}' stroke='{color}' />")
    rest = f"<li>and {len(series) - _MOST} more</li>" if len(series) > _MOST else ""
    legend = "".join(
        f"<li><b style='background:{color}'></b>{escape(name)} <span>{words(values[-1], unit)}</span></li>"
        for color, (name, _, values) in zip(_LINES, shown, strict=False)
    )
    return f"<svg viewBox='0 0 {_WIDTH} {_HEIGHT}' role=img>{''.join(parts)}</svg><ul>{legend}{rest}</ul>"
