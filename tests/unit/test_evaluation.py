import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as reference

from readmission import evaluation, fairness
from readmission.evaluation import Scored


@pytest.fixture
def scored():
    random = np.random.default_rng(3)
    rows = 3000
    probabilities = random.dirichlet([5, 3, 1.2], rows).round(2)  # rounded: many equal risks
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    y = np.array([random.choice(3, p=p) for p in probabilities])
    return Scored(y, probabilities, random.integers(0, 1500, rows))


def test_metrics_are_those_of_sklearn(scored):
    found = evaluation.measure(scored)
    event, risk, best = scored.y == 2, scored.probabilities[:, 2], scored.probabilities.argmax(axis=1)
    report = reference.classification_report(scored.y, best, output_dict=True)
    expected = {
        "roc_auc_30": reference.roc_auc_score(event, risk),
        "pr_auc_30": reference.average_precision_score(event, risk),
        "brier_30": reference.brier_score_loss(event, risk),
        "log_loss": -np.log(np.clip(scored.probabilities[range(3000), scored.y], 1e-15, 1)).mean(),
        "accuracy": report["accuracy"],
        "f1_score_weighted": report["weighted avg"]["f1-score"],
        "f1_macro": report["macro avg"]["f1-score"],
        "recall_class_2": report["2"]["recall"],
        "precision_class_1": report["1"]["precision"],
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-12)


def test_weights_count_rows(scored):
    weights = np.random.default_rng(1).integers(0, 4, 3000).astype(float)
    repeated = scored.part(np.repeat(np.arange(3000), weights.astype(int)))
    one, two = evaluation.measure(scored, weights), evaluation.measure(repeated)
    del one["ece_30"], two["ece_30"]  # its bins are those of the rows as they are
    assert one == pytest.approx(two, abs=1e-9)


def test_calibration_error_of_a_known_shift():
    random = np.random.default_rng(0)
    risk = random.uniform(0.1, 0.5, 100_000)
    y = np.where(random.random(100_000) < risk, 2, 0)
    patients = np.arange(100_000)

    def ece(shift):
        p = risk + shift
        return evaluation.measure(Scored(y, np.column_stack([1 - p, 0 * p, p]), patients))["ece_30"]

    assert ece(0.0) < 0.005
    assert ece(0.08) == pytest.approx(0.08, abs=0.005)


def test_alert_rates_take_the_riskiest():
    risk = np.linspace(0, 1, 100)
    y = np.where(risk > 0.905, 2, 0)  # the ten riskiest
    found = evaluation.measure(Scored(y, np.column_stack([1 - risk, 0 * risk, risk]), np.arange(100)))
    assert found["recall_at_alert_10"] == pytest.approx(1.0)
    assert found["recall_at_alert_5"] == pytest.approx(0.5)
    assert found["precision_at_alert_20"] == pytest.approx(0.5)


def test_a_resample_draws_whole_patients(scored):
    for weights in evaluation.resample(scored.patients, 5):
        by_patient = pd.Series(weights).groupby(scored.patients)
        assert (by_patient.nunique() == 1).all()
        assert by_patient.first().sum() == len(np.unique(scored.patients))


def test_intervals_by_patients_are_wider_than_by_rows():
    random = np.random.default_rng(2)
    risk = np.repeat(random.random(300), 10)  # ten alike encounters a patient
    y = np.where(np.repeat(random.random(300), 10) < risk, 2, 0)
    probabilities = np.column_stack([1 - risk, 0 * risk, risk])
    clustered = evaluation.intervals(Scored(y, probabilities, np.repeat(np.arange(300), 10)), 200)["roc_auc_30"]
    naive = evaluation.intervals(Scored(y, probabilities, np.arange(3000)), 200)["roc_auc_30"]
    assert clustered.high - clustered.low > 2 * (naive.high - naive.low)
    assert clustered.low < clustered.value < clustered.high


def test_the_paired_difference_is_sharper_than_two_intervals(scored):
    noise = np.random.default_rng(9).normal(0, 0.02, scored.probabilities.shape)
    worse = Scored(scored.y, np.clip(scored.probabilities + noise, 0.001, 1), scored.patients)
    difference = evaluation.compare(scored, worse, "roc_auc_30", 200)
    single = evaluation.intervals(scored, 200)["roc_auc_30"]
    assert difference.high - difference.low < (single.high - single.low) / 2
    opposite = evaluation.compare(worse, scored, "roc_auc_30", 200)
    assert (opposite.value, opposite.low) == pytest.approx((-difference.value, -difference.high))


def test_less_loss_is_better(scored):
    flat = Scored(scored.y, np.full_like(scored.probabilities, 1 / 3), scored.patients)
    assert evaluation.compare(scored, flat, "log_loss", 20).low > 0


def test_only_the_same_rows_can_be_compared(scored):
    with pytest.raises(ValueError, match="same rows"):
        evaluation.compare(scored, scored.part(np.arange(2999)), "roc_auc_30")


def test_slices_show_all_and_judge_the_large(scored):
    frame = pd.DataFrame({"race": ["Asian"] * 100 + [None] * 900 + ["Caucasian"] * 2000})
    threshold = fairness.threshold_at(scored, 0.1)
    found = {s.level: s for s in fairness.slices(frame, scored, threshold, ["race"], 500)}
    assert {level: (s.rows, s.judged) for level, s in found.items()} == {
        "Asian": (100, False),
        "unknown": (900, True),
        "Caucasian": (2000, True),
    }
    part = scored.part(np.arange(1000, 3000))
    assert found["Caucasian"].recall == (part.early[part.event] >= threshold).mean()
    assert found["Caucasian"].prevalence == part.event.mean()
