"""Plots of a model. Every function returns a matplotlib Figure and writes no file."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import ConfusionMatrixDisplay, PrecisionRecallDisplay, RocCurveDisplay

from readmission import contract
from readmission.evaluation import operating_points
from readmission.evaluation.metrics import BINS, Scored, measure

_BLUE, _ORANGE, _GREY = "#2563eb", "#ea580c", "#94a3b8"


def _figure(width: float, height: float, columns: int = 1) -> tuple[Figure, list[Any]]:
    figure = Figure(figsize=(width, height), dpi=110, layout="constrained")
    axes = figure.subplots(1, columns, squeeze=False)[0]
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    return figure, list(axes)


def confusion_matrix(scored: Scored, title: str) -> Figure:
    """Draw the 3 x 3 table, shaded by the share of each true class."""
    figure, (axis,) = _figure(5.2, 4.6)
    names = [f"{name} days" if name != "NO" else "not readmitted" for name in contract.CLASSES]
    display = ConfusionMatrixDisplay.from_predictions(
        scored.y,
        scored.probabilities.argmax(axis=1),
        labels=range(len(names)),
        display_labels=names,
        normalize="true",
        cmap="Blues",
        colorbar=False,
        im_kw={"vmin": 0, "vmax": 1},
        ax=axis,
    )
    for cell, count in np.ndenumerate(scored.confusion()):
        display.text_[cell].set_text(f"{display.confusion_matrix[cell]:.0%}\n{count:,}")
    axis.set(xlabel="most probable class", ylabel="what happened", title=title)
    axis.spines[:].set_visible(False)
    return figure


def feature_importance(shares: pd.Series, title: str, top: int = 25) -> Figure:
    """Draw the largest shares as bars, the largest on top."""
    shown = shares.head(top)[::-1]
    figure, (axis,) = _figure(6.5, 0.26 * len(shown) + 1)
    axis.barh(shown.index, shown.to_numpy(), color=_BLUE)
    axis.set(xlabel="share of the model's own importance", title=title)
    axis.margins(y=0.01)
    return figure


def roc_and_precision_recall(scored: Scored, title: str) -> Figure:
    """Draw the ROC and the precision-recall curve for readmission within 30 days, with the level of chance."""
    figure, (roc, precision) = _figure(10, 4.4, 2)
    metrics = measure(scored)
    RocCurveDisplay.from_predictions(scored.event, scored.early, ax=roc, plot_chance_level=True)
    roc.set(xlabel="share of others called", ylabel="share of early readmissions caught")
    roc.set_title(f"ROC-AUC {metrics['roc_auc_30']:.3f}")
    PrecisionRecallDisplay.from_predictions(scored.event, scored.early, ax=precision, plot_chance_level=True)
    precision.set(xlabel="share of early readmissions caught", ylabel="share of calls that are right", ylim=(0, 0.8))
    precision.set_title(f"PR-AUC {metrics['pr_auc_30']:.3f} (prevalence {metrics['prevalence_30']:.3f})")
    for axis in (roc, precision):
        axis.get_legend().remove()
    figure.suptitle(title)
    return figure


def calibration(scored: Scored, title: str) -> Figure:
    """Draw observed against predicted risk in bins of equal size, with 95 % intervals (Wilson)."""
    figure, (axis,) = _figure(5.4, 4.8)
    count = np.maximum(np.bincount(scored.bins, minlength=BINS), 1)
    predicted = np.bincount(scored.bins, weights=scored.early, minlength=BINS) / count
    observed = np.bincount(scored.bins, weights=scored.event, minlength=BINS) / count
    z = 1.96
    centre = (observed + z * z / (2 * count)) / (1 + z * z / count)
    half = z * np.sqrt(observed * (1 - observed) / count + z * z / (4 * count**2)) / (1 + z * z / count)
    bars = np.clip([observed - (centre - half), centre + half - observed], 0, None)
    top = float(max(predicted.max(), (centre + half).max())) * 1.05
    axis.plot([0, top], [0, top], color=_GREY, linestyle="--", label="perfect")
    axis.errorbar(predicted, observed, yerr=bars, fmt="o", color=_BLUE, capsize=3, label="a tenth of the encounters")
    axis.set(xlabel="predicted risk of readmission within 30 days", ylabel="observed share", title=title)
    axis.legend(title=f"ECE {measure(scored)['ece_30']:.4f}", frameon=False)
    return figure


def decision_curve(scored: Scored, title: str) -> Figure:
    """Draw the net benefit of alerting by the model over the thresholds, beside alerting everybody and nobody."""
    figure, (axis,) = _figure(6, 4.4)
    thresholds = np.linspace(0.02, 0.4, 77)
    everybody = Scored(scored.y, np.ones_like(scored.probabilities), scored.patients)
    axis.plot(thresholds, operating_points.net_benefit(scored, thresholds), color=_BLUE, label="alert by the model")
    axis.plot(thresholds, operating_points.net_benefit(everybody, thresholds), color=_ORANGE, label="alert everybody")
    axis.axhline(0, color=_GREY, linestyle="--", label="alert nobody")
    axis.set(xlabel="risk at or above which to alert", ylabel="net benefit, share of encounters", title=title)
    axis.set_ylim(-0.02, None)
    axis.legend(frameon=False)
    return figure


def learning_curve(table: pd.DataFrame, metric: str, title: str) -> Figure:
    """Draw a metric over the number of batches, a line a family.

    Args:
        table: Columns family, batches and the metric.
        metric: Column to draw.
        title: Title of the picture.
    """
    figure, (axis,) = _figure(7, 4.4)
    for family, rows in table.sort_values("batches").groupby("family"):
        axis.plot(rows["batches"], rows[metric], marker="o", label=str(family).replace("_", " "))
    axis.set(
        xlabel="batches trained on", ylabel=metric.replace("_", " "), title=title, xticks=sorted(set(table["batches"]))
    )
    axis.legend(frameon=False)
    return figure


def search_history(table: pd.DataFrame, title: str) -> Figure:
    """Draw each trial's value, the pruned faintly, the defaults marked, and the best so far.

    Optuna's own plot marks neither, and draws through pyplot, whose state all threads share.

    Args:
        table: What `search.trial_history` returns.
        title: Title of the picture.
    """
    figure, (axis,) = _figure(7, 4.4)
    for kind, style, colour in (("pruned", "x", _GREY), ("finished", "o", _BLUE)):
        rows = table[table["pruned"] == (kind == "pruned")]
        axis.plot(rows["number"], rows["value"], style, color=colour, label=kind)
    axis.plot(table["number"], table["best"], color=_BLUE, drawstyle="steps-post", label="best so far")
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.plot(*table.loc[table["defaults"], ["number", "value"]].to_numpy().T, "D", color=_ORANGE, label="defaults")
    axis.set(xlabel="trial", ylabel="mean over patient-grouped folds", title=title)
    axis.legend(frameon=False)
    return figure


def bars(values: Mapping[str, float], spans: Sequence[tuple[float, float]], label: str, title: str) -> Figure:
    """Draw named values with intervals, one below the other."""
    figure, (axis,) = _figure(7, 0.4 * len(values) + 1.2)
    names, heights = list(values)[::-1], np.array(list(values.values()))[::-1]
    low, high = np.array(spans)[::-1].T
    axis.errorbar(heights, names, xerr=[heights - low, high - heights], fmt="o", color=_ORANGE, capsize=3)
    axis.set(xlabel=label, title=title)
    return figure
