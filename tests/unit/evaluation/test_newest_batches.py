"""The newest batch is recalibrated by its other patients, and the table has a line for each number of batches."""

import numpy as np

from readmission.evaluation import metrics, newest_batches
from readmission.evaluation.metrics import Scored


def draw(n: int = 30_000) -> tuple[Scored, np.ndarray]:
    """Draw three batches; in the last, fewer come back than the risks say."""
    random = np.random.default_rng(5)
    any_, batches = random.uniform(0.2, 0.8, n), np.repeat([1, 2, 3], n // 3)
    true = np.where(batches == 3, any_ / 2, any_)
    drawn = random.random(n)
    y = np.where(drawn < 0.1, 2, np.where(drawn < true, 1, 0))
    early = np.full(n, 0.1)
    return Scored(y, np.column_stack([1 - any_, any_ - early, early]), random.integers(0, n // 2, n)), batches


def test_the_newest_batch_is_recalibrated_by_other_patients() -> None:
    scored, batches = draw()
    moved = newest_batches.recalibrated(scored, batches, 3, 7)
    newest = batches == 3
    assert metrics.measure(moved.part(newest))["ece_any"] < 0.03 < 0.2 < metrics.measure(scored.part(newest))["ece_any"]
    assert metrics.measure(moved.part(newest))["ece_30"] < 0.015
    # Nothing of a row's own fold is read: other outcomes of these patients move only the others.
    own = scored.patients[-1]
    other = Scored(np.where(scored.patients == own, 2 - scored.y, scored.y), scored.probabilities, scored.patients)
    again = newest_batches.recalibrated(other, batches, 3, 7)
    assert np.array_equal(again.probabilities[-1], moved.probabilities[-1])
    assert not np.array_equal(again.probabilities, moved.probabilities)


def test_each_number_of_batches_is_measured_on_the_newest_and_on_those_that_followed() -> None:
    scored, batches = draw()
    _, _, head, rule, *lines = newest_batches.markdown({3: scored, 2: scored}, batches, 7)
    assert {line.count("|") for line in (head, rule, *lines)} == {9}
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    assert [(count, name) for count, name, *_ in cells] == [
        ("2", "newest 5,000"),
        ("2", "newest batch (10,000)"),
        ("2", "next 5,000"),
        ("3", "newest 5,000"),
        ("3", "newest batch (10,000)"),
    ]
    recalibrated = [float(cell[4]) for cell in cells]
    assert recalibrated[2] > 0.2 and max(recalibrated[:2] + recalibrated[3:]) < 0.04
    assert 0.2 < float(cells[3][2]) < 0.3 and float(cells[3][3]) > 0.2
