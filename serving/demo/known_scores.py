"""Scores that clinicians know, beside the model's risk, as HTML."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from serving.demo.language import tr


def draw_known_scores(scores: Sequence[Mapping[str, Any]]) -> str:
    """Draw the points of each score with its limits.

    Args:
        scores: `known_scores` of an answer. If empty, nothing is drawn.
    """
    if not scores:
        return ""
    rows = "".join(
        f"<dt>{escape(tr(str(score['label'])))}: <b>{_points(score)}</b></dt>"
        f"<dd>{escape(tr(str(score['limits'])))}</dd>"
        for score in scores
    )
    heading = tr("Scores that you may know")
    return f'<details class="known-scores"><summary>{heading}</summary><dl>{rows}</dl></details>'


def _points(score: Mapping[str, Any]) -> str:
    if score.get("maximum") is None:
        return str(int(score["points"]))
    return tr("{points} of {maximum} points", points=int(score["points"]), maximum=int(score["maximum"]))
