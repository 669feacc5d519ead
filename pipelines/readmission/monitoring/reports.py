"""Drift report: one HTML page that embeds its pictures and loads nothing. Pure."""

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from textwrap import shorten

import pandas as pd
from matplotlib.figure import Figure

from readmission import contract
from readmission.monitoring import drift
from readmission.monitoring.binning import SCORE, Binning
from readmission.monitoring.drift import ColumnDrift, DriftRule

_RED, _BLUE, _GREY, _LIGHT = "#b3261e", "#2b5f9e", "#8a8a8a", "#9ec1e8"
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1c1b1f;background:#fff}
table{border-collapse:collapse;font-size:13px}td,th{padding:.2rem .7rem;border-bottom:1px solid #ddd;text-align:right}
td:first-child,th:first-child{text-align:left}img{max-width:100%}div{overflow-x:auto}.alarm{color:#b3261e;font-weight:600}.admin{color:#777}
"""
_FIGURES = (
    "PSI: 0 is the same, below 0.1 hardly different. Band: where it lies with 95 % confidence. Noise: the PSI that "
    "chance alone would give a window of this size. Jensen-Shannon: 0 the same, 1 nothing in common. Wasserstein: by "
    "how many standard deviations the values have moved. Not sent: the share of requests that leave the column "
    "out; it is a habit of the client and no drift of patients, so it is left out of every other figure."
)


@dataclass(frozen=True, kw_only=True)
class DriftReport:
    """Content of one drift report.

    Attributes:
        title: Subject as people call it, such as "batch 3".
        reference_name: Description of what the windows are compared with.
        windows: Drift per column, by name of the window. The pictures show the last window.
        sizes: Number of rows of each window.
        alarm: Columns that make the alarm. Empty if there is none.
        judged: Whether every window has the rows that the rule asks for.
        rule: Rule that was applied.
    """

    title: str
    reference_name: str
    windows: Mapping[str, Sequence[ColumnDrift]]
    sizes: Mapping[str, int]
    alarm: Sequence[str]
    judged: bool
    rule: DriftRule

    @property
    def columns(self) -> Sequence[ColumnDrift]:
        """Return the drift of the last window: the whole batch, or the newest predictions."""
        return self.windows[list(self.windows)[-1]]


def label(column: str) -> str:
    """Return a column's name for a person."""
    return "Predicted risk" if column == SCORE else contract.BY_NAME[column].label


def verdict(report: DriftReport) -> str:
    """Return the result of a report as one sentence."""
    rule = report.rule
    if not report.judged:
        return f"Not judged: a window has fewer than {rule.minimum} rows."
    if report.alarm:
        return f"ALARM: sustained drift of {', '.join(map(label, report.alarm))}."
    drifted, _ = drift.verdict(report.columns, rule)
    if drifted:
        return (
            f"No alarm. Drifted: {', '.join(map(label, drifted))}; the rule asks for {rule.columns} clinical columns "
            f"at PSI {rule.moderate} or one at {rule.large}, in {rule.windows} windows in a row."
        )
    return f"No alarm: no clinical column reaches PSI {rule.moderate}."


def html(report: DriftReport, reference: Binning, window: pd.DataFrame, absent: pd.DataFrame | None = None) -> str:
    """Render the page.

    Args:
        report: Figures of the report.
        reference: Bins of what the windows were compared with.
        window: Typed frame of the last window.
        absent: Which of its values the rows do not state. If omitted, all are stated.
    """
    sizes = ", ".join(f"{name} ({rows:,} rows)" for name, rows in report.sizes.items())
    pictures = [
        ("PSI of every column", overview(report)),
        ("Largest differences", distributions(report, reference, window, absent)),
    ]
    if len(report.windows) > 2:
        pictures.append(("Window by window", timeline(report)))
    shown = "".join(f"<h2>{escape(title)}</h2><img alt='{escape(title)}' src='{image}'>" for title, image in pictures)
    return (
        f"<!doctype html><html lang='en'><meta charset='utf-8'>"
        f"<meta name=viewport content='width=device-width'><title>{escape(report.title)}</title>"
        f"<style>{_STYLE}</style><h1>Drift: {escape(report.title)}</h1>"
        f"<p{' class=alarm' if report.alarm else ''}>{escape(verdict(report))}</p>"
        f"<p>Compared with {escape(report.reference_name)}. Windows: {escape(sizes)}. Administrative columns "
        f"are shown and never alarm.</p>{shown}<h2>Figures</h2><p>{_FIGURES}</p>{_table(report)}</html>"
    )


def _table(report: DriftReport) -> str:
    names = (
        "column",
        "PSI",
        "95 % band",
        "noise",
        "Jensen-Shannon",
        "Wasserstein / sd",
        "unknown before",
        "now",
        "not sent",
    )
    rows = "".join(
        f"<tr{' class=admin' if entry.administrative else ''}><td>{escape(label(entry.column))}</td>"
        f"<td>{entry.psi:.3f}</td><td>{entry.low:.3f}–{entry.high:.3f}</td><td>{entry.noise:.3f}</td>"
        f"<td>{entry.jensen_shannon:.3f}</td>"
        f"<td>{'' if entry.wasserstein is None else f'{entry.wasserstein:.3f}'}</td>"
        f"<td>{entry.missing_before:.1%}</td><td>{entry.missing_now:.1%}</td><td>{entry.absent_now:.1%}</td></tr>"
        for entry in report.columns
    )
    return f"<div><table><tr>{''.join(f'<th>{name}</th>' for name in names)}</tr>{rows}</table></div>"


def overview(report: DriftReport) -> str:
    """Draw the PSI of every column with its band, against the rule's thresholds."""
    shown = list(reversed(report.columns))
    height = 0.2 * len(shown) + 1
    figure = Figure(figsize=(10, height))
    axes = figure.subplots()
    figure.subplots_adjust(left=0.19, right=0.98, bottom=0.5 / height, top=1 - 0.1 / height)
    colors = [
        _GREY if entry.administrative else _RED if entry.beyond(report.rule.moderate) else _BLUE for entry in shown
    ]
    axes.barh(range(len(shown)), [entry.psi for entry in shown], color=colors, height=0.7)
    axes.hlines(
        range(len(shown)), [entry.low for entry in shown], [entry.high for entry in shown], color="black", linewidth=1
    )
    for threshold, style in ((report.rule.moderate, "--"), (report.rule.large, "-")):
        axes.axvline(threshold, color=_RED, linestyle=style, linewidth=1)
    axes.set_xscale("symlog", linthresh=0.1)
    axes.set_yticks(range(len(shown)), [label(entry.column) for entry in shown], fontsize=7)
    axes.set_xlabel(f"PSI; grey: administrative; lines: {report.rule.moderate} drifted, {report.rule.large} large")
    axes.set_ylim(-1, len(shown))
    return image(figure)


def distributions(
    report: DriftReport, reference: Binning, window: pd.DataFrame, absent: pd.DataFrame | None = None, most: int = 6
) -> str:
    """Draw the clinical columns that differ most, before and now."""
    clinical = [entry for entry in report.columns if not entry.administrative][:most]
    counts = reference.counts(window, absent)
    figure = Figure(figsize=(10, 7))
    figure.subplots_adjust(left=0.05, right=0.99, bottom=0.14, top=0.96, hspace=0.55, wspace=0.14)
    for axes, entry in zip(figure.subplots(2, 3).flat, clinical, strict=False):
        before = drift.shares(reference, reference.before[entry.column], entry.column)
        now = drift.shares(reference, counts[entry.column], entry.column)
        bins = [name for name in before if max(before[name], now[name]) >= 0.002]
        positions = range(len(bins))
        axes.bar([x - 0.2 for x in positions], [before[b] for b in bins], 0.4, color=_LIGHT, label="before")
        axes.bar([x + 0.2 for x in positions], [now[b] for b in bins], 0.4, color=_BLUE, label="now")
        axes.set_xticks(positions, [shorten(name, 24, placeholder=" …") for name in bins], rotation=90, fontsize=6)
        axes.tick_params("y", labelsize=7)
        axes.set_title(f"{label(entry.column)} (PSI {entry.psi:.2f})", fontsize=9)
        axes.legend(fontsize=6)
    return image(figure)


def timeline(report: DriftReport, most: int = 12) -> str:
    """Draw the PSI of the clinical columns that differ most, one column of the picture a window."""
    names = [entry.column for entry in report.columns if not entry.administrative][:most]
    values = [[_psi(columns, name) for columns in report.windows.values()] for name in names]
    figure = Figure(figsize=(10, 4))
    figure.subplots_adjust(left=0.19, right=1.05, bottom=0.08, top=0.96)
    axes = figure.subplots()
    shades = axes.imshow(values, aspect="auto", cmap="Reds", vmin=0, vmax=report.rule.large)
    axes.set_yticks(range(len(names)), [label(name) for name in names], fontsize=7)
    axes.set_xticks(range(len(report.windows)), list(report.windows), fontsize=7)
    figure.colorbar(shades, label="PSI")
    return image(figure)


def _psi(columns: Iterable[ColumnDrift], name: str) -> float:
    return next((entry.psi for entry in columns if entry.column == name), float("nan"))


def image(figure: Figure) -> str:
    """Return a figure as a data URL."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
