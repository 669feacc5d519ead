from readmission.evaluation import error_rates, gate_figures, gates


def test_every_gate_on_held_out_rows_has_its_figure_and_its_bound() -> None:
    scored, people = error_rates.draw(20_000, error_rates.perfect, 1)
    figures, groups, threshold = gate_figures.measure(scored, people, resamples=20)
    of_serving = ("single_feature", "found_over_", "difference", "record_difference", "golden_", "scorer_", "artifact_")
    for gate in gates.load_gates():
        if not gate.figure.startswith(of_serving):
            assert gate.figure in figures
            assert gate.certain is None or gate.certain in figures
    assert figures["val_roc_auc_30_low"] < figures["val_roc_auc_30"] < figures["val_roc_auc_30_high"]
    assert figures["test_recent_ece_any_low"] < figures["test_recent_ece_any"]
    assert {group.column for group in groups} == {"race", "gender", "age"}
    assert 0 < threshold < 1
