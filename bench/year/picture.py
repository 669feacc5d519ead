"""The picture of a simulated year: who answered, how well, on how many labels, and what happened."""

from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.year.timeline import Interval, Week

_BLUE, _ORANGE, _GREEN, _RED, _GREY = "#2b5f9e", "#c77700", "#3a7d44", "#b3261e", "#8a8a8a"


def draw(weeks: Sequence[Week], drift: int) -> Figure:
    """Draw three panels above each other: quality, rows and labels, events.

    Args:
        weeks: The timeline.
        drift: Week from which on the patients change.
    """
    figure = Figure(figsize=(12, 9), layout="constrained")
    quality, rows, events = figure.subplots(3, 1, sharex=True, height_ratios=(3, 2, 2))
    _quality(quality, weeks)
    _rows(rows, weeks)
    _events(events, weeks)
    for axes in (quality, rows, events):
        axes.axvspan(drift - 0.5, weeks[-1].number + 0.5, color=_GREY, alpha=0.12, linewidth=0)
        axes.set_xlim(0.5, weeks[-1].number + 0.5)
    quality.set_title("A simulated year; grey: the patients have drifted", loc="left")
    events.set_xlabel("week")
    return figure


def save(weeks: Sequence[Week], drift: int, path: Path) -> None:
    """Write the picture as PNG."""
    draw(weeks, drift).savefig(path, dpi=80)


def _quality(axes: Axes, weeks: Sequence[Week]) -> None:
    tested = [float("nan") if week.tested is None else week.tested for week in weeks]
    axes.step(_numbers(weeks), tested, where="mid", color=_GREY, label="tested: the champion on its test patients")
    promised = [(week.number, week.expected) for week in weeks if week.expected]
    bounds = [value.low for _, value in promised], [value.high for _, value in promised]
    label = "expected: what the risks of the last days promise"
    axes.fill_between([number for number, _ in promised], *bounds, color=_GREEN, alpha=0.25, label=label)
    _intervals(axes, weeks, [week.live for week in weeks], _BLUE, "live: outcomes that became due in 30 days", -0.12)
    unseen = [week.prequential for week in weeks]
    _intervals(axes, weeks, unseen, _ORANGE, "newest batch, before anything was trained on it", 0.12)
    champion = ""
    for week in weeks:
        if week.champion != champion:
            axes.axvline(week.number + 0.5, color=_GREEN, linewidth=1)
            text = axes.text(week.number + 0.4, 0.02, f"v{week.champion}", color=_GREEN, ha="right")
            text.set_transform(axes.get_xaxis_transform())
            champion = week.champion
    axes.set_ylabel("ROC-AUC, readmission within 30 days")
    axes.legend(loc="upper left", fontsize=8)


def _intervals(
    axes: Axes, weeks: Sequence[Week], values: Sequence[Interval | None], color: str, label: str, shift: float
) -> None:
    pairs = [(week.number + shift, value) for week, value in zip(weeks, values, strict=True) if value]
    spread = [[v.value - v.low for _, v in pairs], [v.high - v.value for _, v in pairs]]
    axes.errorbar(
        [x for x, _ in pairs], [v.value for _, v in pairs], spread, fmt="o", markersize=3, color=color, label=label
    )


def _rows(axes: Axes, weeks: Sequence[Week]) -> None:
    below = [0] * len(weeks)
    for name, color in (("accepted", _BLUE), ("quarantined", _RED), ("duplicate", _ORANGE)):
        counts = [getattr(week, name) for week in weeks]
        axes.bar(_numbers(weeks), counts, bottom=below, color=color, label=name)
        below = [a + b for a, b in zip(below, counts, strict=True)]
    axes.set_ylabel("rows of the week")
    labels = axes.twinx()
    labels.plot(_numbers(weeks), [week.mature for week in weeks], color=_GREEN, label="mature labels (right)")
    lines = [*axes.get_legend_handles_labels()[0], *labels.get_legend_handles_labels()[0]]
    axes.legend(lines, [str(line.get_label()) for line in lines], loc="upper left", fontsize=8)


def _events(axes: Axes, weeks: Sequence[Week]) -> None:
    kinds: dict[str, tuple[str, Callable[[Week], list[str]]]] = {
        "alarm": (_RED, lambda week: week.alarms),
        "retraining decided": (_ORANGE, lambda week: [d for d in week.decisions if d.startswith("retrain:")]),
        "trained": (_BLUE, lambda week: week.trained),
        "promoted": (_GREEN, lambda week: [p for p in week.promotions if p.startswith("promoted")]),
        "refused": (_GREY, lambda week: [p for p in week.promotions if p.startswith("refused")]),
        "rolled back": (_RED, lambda week: [p for p in week.promotions if p.startswith("rolled")]),
        "fault or person": ("black", lambda week: week.events),
        "invariant violated": (_RED, lambda week: week.violations),
    }
    for height, (color, texts) in enumerate(kinds.values()):
        numbers = [week.number for week in weeks if texts(week)]
        marker = "x" if height == len(kinds) - 1 else "o"
        axes.plot(numbers, [-height] * len(numbers), marker, color=color, markersize=6)
    axes.set_yticks([-height for height in range(len(kinds))], list(kinds))
    axes.set_ylim(-len(kinds) + 0.5, 0.5)
    axes.grid(axis="x", alpha=0.3)


def _numbers(weeks: Sequence[Week]) -> list[int]:
    return [week.number for week in weeks]
