"""The picture of a simulated year."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from bench.year import picture
from bench.year.timeline import Interval, Week

START = datetime(2024, 1, 8, tzinfo=UTC)


def test_the_picture_shows_every_kind_of_event_and_each_champion(tmp_path: Path) -> None:
    weeks = [Week(number=n, end=START + timedelta(days=7 * n), accepted=10 * n, mature=n) for n in range(1, 7)]
    weeks[3].champion, weeks[3].tested = "1", 0.68
    weeks[3].live = Interval(value=0.66, low=0.6, high=0.7, n=500)
    weeks[4].violations, weeks[4].alarms = ["rows_add_up: no"], ["batch 5: age"]
    figure = picture.draw(weeks, drift=5)
    quality, _, events = figure.axes[:3]
    assert "v1" in [text.get_text() for text in quality.texts]
    names = [label.get_text() for label in events.get_yticklabels()]
    shown = {name: np.asarray(line.get_xdata()).tolist() for name, line in zip(names, events.lines, strict=True)}
    assert shown["alarm"] == shown["invariant violated"] == [5]
    assert shown["promoted"] == []
    picture.save(weeks, 5, tmp_path / "year.png")
    assert (tmp_path / "year.png").stat().st_size > 10_000
