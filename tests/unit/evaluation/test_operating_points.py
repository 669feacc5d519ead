import numpy as np
import numpy.typing as npt
import pytest

from readmission.contract.risk import BAND_NAMES
from readmission.evaluation import operating_points
from readmission.evaluation.metrics import Scored


def scored(early: npt.ArrayLike, event: npt.ArrayLike) -> Scored:
    early = np.asarray(early, dtype=float)
    probabilities = np.column_stack([1 - early, np.zeros(len(early)), early])
    return Scored(np.where(event, 2, 0), probabilities, np.arange(len(early)))


@pytest.fixture(scope="module")
def calibrated() -> Scored:
    random = np.random.default_rng(3)
    early = random.beta(1, 8, 20_000)
    return scored(early, random.random(20_000) < early)


def test_points_alert_as_many_as_they_say(calibrated: Scored) -> None:
    points = {point.rule: point for point in operating_points.choose_points(calibrated)}
    assert list(points) == ["alert 5%", "alert 10%", "alert 20%", "cost 5:1", "cost 10:1", "cost 20:1"]
    for rate in (5, 10, 20):
        point = points[f"alert {rate}%"]
        above = calibrated.early >= point.threshold
        assert point.alerts == above.mean() == pytest.approx(rate / 100, abs=1e-3)
        assert point.recall == (above & calibrated.event).sum() / calibrated.event.sum()
        assert point.precision == calibrated.event[above].mean()


def test_of_calibrated_risks_the_cheapest_threshold_is_one_in_the_ratio(calibrated: Scored) -> None:
    thresholds = {point.rule: point.threshold for point in operating_points.choose_points(calibrated)}
    for ratio in operating_points.COST_RATIOS:
        assert thresholds[f"cost {ratio}:1"] == pytest.approx(1 / ratio, rel=0.3)


def test_equal_risks_are_alerted_together() -> None:
    few = scored([0.5, 0.5, 0.5, 0.1], [True, False, False, False])
    assert operating_points._cheapest(few, 5) == 0.5


def test_bands_begin_at_the_alert_rates(calibrated: Scored) -> None:
    bands = operating_points.choose_bands(calibrated)
    assert [band.name for band in bands] == list(BAND_NAMES) and bands[0].at_least == 0
    shares = [(calibrated.early >= band.at_least).mean() for band in bands[1:]]
    assert shares == pytest.approx([0.2, 0.1, 0.05], abs=1e-3)


def test_net_benefit_by_hand() -> None:
    few = scored([0.9, 0.6, 0.3, 0.1], [True, False, True, False])
    assert operating_points.net_benefit(few, [0.5])[0] == pytest.approx((1 - 1 * 1) / 4)
    assert operating_points.net_benefit(few, [0.25])[0] == pytest.approx((2 - 1 / 3) / 4)
    assert operating_points.net_benefit(few, [0.95])[0] == 0


def test_bands_say_what_became_of_their_test_patients(calibrated: Scored) -> None:
    bands = operating_points.measure_bands(operating_points.choose_bands(calibrated), calibrated)
    for band, following in zip(bands, [*(b.at_least for b in bands[1:]), 1.1], strict=True):
        inside = (calibrated.early >= band.at_least) & (calibrated.early < following)
        assert band.tested is not None and band.tested.encounters == inside.sum()
        assert band.tested.rate == calibrated.event[inside].mean()
        error = 1.96 * (band.tested.rate * (1 - band.tested.rate) / band.tested.encounters) ** 0.5
        assert (band.tested.low, band.tested.high) == pytest.approx(
            (band.tested.rate - error, band.tested.rate + error), abs=0.3 * error
        )


def test_a_band_without_test_patients_says_nothing() -> None:
    bands = operating_points.choose_bands(scored([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1]))
    tested = operating_points.measure_bands(bands, scored([0.01, 0.02], [0, 1]))
    assert [band.tested is None for band in tested] == [False, True, True, True]
