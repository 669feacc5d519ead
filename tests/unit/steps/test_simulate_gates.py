from readmission.evaluation import gates
from readmission.steps import simulate_gates


def test_the_table_names_both_kinds_of_error(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(simulate_gates, "SIZES", (3000,))
    text = simulate_gates.table(gates.load_gates(), 2, 7)
    assert "| fair_risk | refused " in text
    assert "| one race's risks divided by 1.6: `fair_risk` | passes " in text
    assert "| equally good, on all patients: `better_than_champion` | passes " in text
    assert "| ROC-AUC 0.010 lower, on the validation patients alone: `not_worse_than_champion` | passes " in text
