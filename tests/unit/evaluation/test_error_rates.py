"""Both error rates of the gates, by the simulation that docs/reports/2026-11-27-gate-errors.md has at length."""

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
