"""Both error rates of the gates, by the simulation that docs/reports/2026-11-28-gate-errors.md has at length."""

import numpy as np
import pytest

from readmission.evaluation import error_rates, gates, metrics

LIMITS = gates.load_gates()


def test_the_simulated_hospital_is_like_the_data() -> None:
    scored, people = error_rates.draw(99_000, error_rates.perfect, 1)
    figures = metrics.measure(scored["validation"])
    assert figures["prevalence_30"] == pytest.approx(0.114, abs=0.01)
    assert figures["roc_auc_30"] == pytest.approx(0.684, abs=0.02)
    assert figures["accuracy_always_no"] == pytest.approx(0.54, abs=0.02)
    assert len(people) == sum(len(part.y) for part in scored.values())


def test_a_perfect_model_is_refused_by_no_gate_and_seldom_in_doubt() -> None:
    rates = error_rates.simulate(LIMITS, 14_000, error_rates.perfect, 30)
    assert rates["any gate"].missed <= 1 / 30
    assert rates["any gate"].in_doubt <= 5 / 30


@pytest.mark.parametrize("label", error_rates.WORSE)
def test_a_worse_model_does_not_pass_its_gate(label: str) -> None:
    gate, distort = error_rates.WORSE[label]
    rates = error_rates.simulate(LIMITS, 60_000, distort, 3)
    assert rates[gate].passed == 0
    assert rates["any gate"].passed == 0


def test_the_same_seed_draws_the_same_hospital() -> None:
    first, second = (error_rates.draw(1000, error_rates.perfect, 3)[0]["test"] for _ in range(2))
    assert np.array_equal(first.y, second.y)


def test_the_simulated_pair_is_like_two_trainings() -> None:
    first, second = error_rates.draw_pair(15_000, error_rates.COMPARED["equally good"], 1)
    difference = metrics.compare(first, second, "roc_auc_30", 200)
    assert (difference.high - difference.low) / 3.92 == pytest.approx(0.002, rel=0.2)
    worse, usual = error_rates.draw_pair(900_000, error_rates.COMPARED["ROC-AUC 0.010 lower"], 1)
    areas = [metrics.measure(model)["roc_auc_30"] for model in (usual, worse)]
    assert areas[0] == pytest.approx(0.68, abs=0.01) and areas[0] - areas[1] == pytest.approx(0.010, abs=0.002)


def test_on_all_patients_the_comparison_refuses_fewer_equal_models_and_more_worse_ones() -> None:
    def rates(label: str, rows: int) -> dict[str, float]:
        return error_rates.simulate_comparison(LIMITS, rows, error_rates.COMPARED[label], 12, resamples=60)

    everybody, validation = 43_000, 6_450
    equal, alone = rates("equally good", everybody), rates("equally good", validation)
    assert equal["not_worse_than_champion"] >= 11 / 12 > alone["not_worse_than_champion"]
    assert equal["better_than_champion"] <= 1 / 12
    assert rates("ROC-AUC 0.010 lower", everybody)["not_worse_than_champion"] == 0.0
    better = "ROC-AUC 0.005 higher"
    assert rates(better, everybody)["better_than_champion"] > 0.8 > rates(better, validation)["better_than_champion"]
