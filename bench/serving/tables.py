"""Report of a comparison: JSON, a Markdown table with the promises, and a plot."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from bench.serving import drive
from bench.serving.peers import BY_NAME
from bench.serving.rounds import Figure, Session
from bench.serving.verdict import Promise
from loadtest.report import machine

_SIZES = {1: "single row", 100: "batch of 100", 10_000: "batch of 10,000"}


def write(folder: Path, session: Session, model: dict[str, Any], promises: list[Promise]) -> str:
    """Write bench.json, bench.md and bench.svg; return the Markdown."""
    folder.mkdir(parents=True, exist_ok=True)
    head = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "generator": drive.tool(),
        "model": model,
    }
    content = {**head, "session": session, "promises": promises}
    (folder / "bench.json").write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n")
    text = markdown(head, session, promises)
    (folder / "bench.md").write_text(text)
    draw(folder / "bench.svg", session.figures)
    return text


def markdown(head: dict[str, Any], session: Session, promises: list[Promise]) -> str:
    """Return the tables, and what they were measured on."""
    where, model = head["machine"], head["model"]
    rows = f"{model['rows']:,} {'synthetic' if model['synthetic'] else 'real'} rows"
    lines = [
        f"Measured {head['date']} on {where['cpu']}, {where['cores']} cores shared with the generator "
        f"({head['generator']}), load {where['load']}, Python {where['python']}; {model['family']} of "
        f"{model['trees']} trees trained on {rows}; medians of interleaved rounds, all services up.",
        "",
    ]
    for workers in sorted({f.workers for f in session.figures}):
        for size, title in _SIZES.items():
            chosen = [f for f in session.figures if (f.workers, f.size) == (workers, size)]
            if chosen:
                lines += _table(f"{title}, {workers} worker{'s' if workers > 1 else ''}", chosen)
    lines += ["| promise | limit | measured | |", "|---|---|---|---|"]
    mark = {True: "PASS", False: "**FAIL**", None: "not judged"}
    lines += [f"| {p.what} | {p.limit} | {p.measured} | {mark[p.holds]} |" for p in promises]
    return "\n".join(lines) + "\n"


def draw(path: Path, figures: list[Figure]) -> None:
    """Draw the single-row rates of one worker, as bars on a logarithmic scale with their ranges."""
    import matplotlib.pyplot as plt

    chosen = sorted((f for f in figures if f.workers == 1 and f.size == 1), key=lambda f: f.per_second)
    figure, axis = plt.subplots(figsize=(9, 0.6 * len(chosen) + 1.2), layout="constrained")
    for position, f in enumerate(chosen):
        colour = "#0b6470" if f.peer == "ours" else "#b9cbce"
        spread = [
            [f.per_second - f.lowest],
            [f.highest - f.per_second],
        ]
        axis.barh(position, f.per_second, color=colour, xerr=spread, ecolor="#52686f", capsize=3)
        axis.annotate(
            f"{f.per_second:,.0f}",
            (f.highest, position),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
        )
    axis.set_yticks(range(len(chosen)), [BY_NAME[f.peer].label for f in chosen])
    axis.set_xscale("log")
    axis.margins(x=0.12)
    axis.set_xlabel("single predictions a second, one worker (logarithmic; range over the rounds)")
    axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)
    plt.close(figure)


def _table(title: str, figures: list[Figure]) -> list[str]:
    lines = [
        f"**{title}**",
        "",
        "| service | requests/s (range) | of echo | p50 ms | p95 ms | p99 ms | failed | MB |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for f in sorted(figures, key=lambda f: -f.per_second):
        name = f"**{BY_NAME[f.peer].label}**" if f.peer == "ours" else BY_NAME[f.peer].label
        rate, low, high = (_number(value) for value in (f.per_second, f.lowest, f.highest))
        times = " | ".join(_number(value) for value in (f.p50_ms, f.p95_ms, f.p99_ms))
        lines.append(f"| {name} | {rate} ({low}–{high}) | {f.ratio:.3g} | {times} | {f.failed} | {f.memory_mb:,.0f} |")
    return [*lines, ""]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
