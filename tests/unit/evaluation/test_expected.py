"""Expected quality: the realised one lies in its band when the risks are right, and outside when they are not."""

import numpy as np
import pytest

from readmission.evaluation import error_rates, expected, metrics


def test_the_realised_quality_of_right_risks_lies_in_the_band() -> None:
    inside = []
    for seed in range(10):
        scored, _ = error_rates.draw(20_000, error_rates.perfect, seed)
        promised = expected.expect(scored["test"].probabilities, draws=60, seed=seed)
        realised = metrics.measure(scored["test"])
        inside += [promised[name].low <= realised[name] <= promised[name].high for name in expected.METRICS]
    assert np.mean(inside) >= 0.85


def test_wrong_risks_promise_what_does_not_come_true() -> None:
    _, distort = error_rates.WORSE["risks 1.6 times the truth"]
    scored, _ = error_rates.draw(60_000, distort, 1)
    promised = expected.expect(scored["test"].probabilities, draws=60)
    realised = metrics.measure(scored["test"])
    assert realised["precision_at_alert_10"] < promised["precision_at_alert_10"].low
    assert realised["prevalence_30"] < promised["prevalence_30"].low


def test_the_band_narrows_with_the_encounters() -> None:
    def width(rows: int) -> float:
        scored, _ = error_rates.draw(rows, error_rates.perfect, 1)
        band = expected.expect(scored["test"].probabilities, draws=60)["roc_auc_30"]
        return band.high - band.low

    assert width(60_000) < width(5_000) / 2


def test_a_draw_is_measured_as_every_other_outcome_is_and_the_order_of_the_rows_does_not_matter() -> None:
    scored, _ = error_rates.draw(20_000, error_rates.perfect, 4)
    rows = scored["test"].probabilities.round(2)  # with ties
    risks = np.sort(rows[:, 2])[::-1]
    event = np.random.default_rng(9).random(len(risks)) < risks
    drawn = metrics.Scored(np.where(event, 2, 0), np.c_[1 - risks, 0 * risks, risks], np.arange(len(risks)))
    promised = expected.expect(rows, draws=1, seed=9)
    measured = metrics.measure(drawn)
    assert {name: promised[name].value for name in expected.METRICS} == pytest.approx(
        {name: measured[name] for name in expected.METRICS}, abs=1e-12
    )
    assert expected.expect(rows[::-1], draws=1, seed=9) == promised
