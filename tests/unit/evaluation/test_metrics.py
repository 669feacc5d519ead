import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as reference

from readmission.evaluation import fairness, metrics
from readmission.evaluation.metrics import Scored


@pytest.fixture
def scored() -> Scored:
    random = np.random.default_rng(3)
    rows = 3000
    probabilities = random.dirichlet([5, 3, 1.2], rows).round(2)  # rounded: many equal risks
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    y = np.array([random.choice(3, p=p) for p in probabilities])
    return Scored(y, probabilities, random.integers(0, 1500, rows))


def test_metrics_are_those_of_sklearn(scored: Scored) -> None:
    measured = metrics.measure(scored)
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
        "recall_lt30": report["2"]["recall"],
        "precision_gt30": report["1"]["precision"],
    }
    assert {name: measured[name] for name in expected} == pytest.approx(expected, abs=1e-12)


def test_weights_count_rows(scored: Scored) -> None:
    weights = np.random.default_rng(1).integers(0, 4, 3000).astype(float)
    repeated = scored.part(np.repeat(np.arange(3000), weights.astype(int)))
    weighted, copied = metrics.measure(scored, weights), metrics.measure(repeated)
    del weighted["ece_30"], copied["ece_30"]  # its bins are those of the rows as they are
    assert weighted == pytest.approx(copied, abs=1e-9)


def test_calibration_error_of_a_known_shift() -> None:
    random = np.random.default_rng(0)
    risk = random.uniform(0.1, 0.5, 100_000)
    y = np.where(random.random(100_000) < risk, 2, 0)
    patients = np.arange(100_000)

    def ece(shift: float) -> float:
        p = risk + shift
        return metrics.measure(Scored(y, np.column_stack([1 - p, 0 * p, p]), patients))["ece_30"]

    assert ece(0.0) < 0.005
    assert ece(0.08) == pytest.approx(0.08, abs=0.005)


def test_alert_rates_take_the_riskiest() -> None:
    risk = np.linspace(0, 1, 100)
    y = np.where(risk > 0.905, 2, 0)  # the ten riskiest
    measured = metrics.measure(Scored(y, np.column_stack([1 - risk, 0 * risk, risk]), np.arange(100)))
    assert measured["recall_at_alert_10"] == pytest.approx(1.0)
    assert measured["recall_at_alert_5"] == pytest.approx(0.5)
    assert measured["precision_at_alert_20"] == pytest.approx(0.5)


def test_a_resample_draws_whole_patients(scored: Scored) -> None:
    for weights in metrics.resample(scored.patients, 5):
        by_patient = pd.Series(weights).groupby(scored.patients)
        assert (by_patient.nunique() == 1).all()
        assert by_patient.first().sum() == len(np.unique(scored.patients))


def test_intervals_by_patients_are_wider_than_by_rows() -> None:
    random = np.random.default_rng(2)
    risk = np.repeat(random.random(300), 10)  # ten alike encounters a patient
    y = np.where(np.repeat(random.random(300), 10) < risk, 2, 0)
    probabilities = np.column_stack([1 - risk, 0 * risk, risk])
    clustered = metrics.intervals(Scored(y, probabilities, np.repeat(np.arange(300), 10)), 200)["roc_auc_30"]
    naive = metrics.intervals(Scored(y, probabilities, np.arange(3000)), 200)["roc_auc_30"]
    assert clustered.high - clustered.low > 2 * (naive.high - naive.low)
    assert clustered.low < clustered.value < clustered.high


def test_the_paired_difference_is_sharper_than_two_intervals(scored: Scored) -> None:
    noise = np.random.default_rng(9).normal(0, 0.02, scored.probabilities.shape)
    worse = Scored(scored.y, np.clip(scored.probabilities + noise, 0.001, 1), scored.patients)
    difference = metrics.compare(scored, worse, "roc_auc_30", 200)
    single = metrics.intervals(scored, 200)["roc_auc_30"]
    assert difference.high - difference.low < (single.high - single.low) / 2
    opposite = metrics.compare(worse, scored, "roc_auc_30", 200)
    assert (opposite.value, opposite.low) == pytest.approx((-difference.value, -difference.high))


def test_less_loss_is_better(scored: Scored) -> None:
    flat = Scored(scored.y, np.full_like(scored.probabilities, 1 / 3), scored.patients)
    assert metrics.compare(scored, flat, "log_loss", 20).low > 0


def test_only_the_same_rows_can_be_compared(scored: Scored) -> None:
    with pytest.raises(ValueError, match="same rows"):
        metrics.compare(scored, scored.part(np.arange(2999)), "roc_auc_30")


def test_slices_show_all_and_judge_the_large(scored: Scored) -> None:
    frame = pd.DataFrame({"race": ["Asian"] * 100 + [None] * 900 + ["Caucasian"] * 2000})
    threshold = fairness.threshold_at(scored, 0.1)
    by_level = {s.level: s for s in fairness.slices(frame, scored, threshold, ["race"], 50)}
    assert all(s.judged == (s.events >= 50) for s in by_level.values())
    assert {level: (s.rows, s.judged) for level, s in by_level.items()} == {
        "Asian": (100, False),
        "unknown": (900, True),
        "Caucasian": (2000, True),
    }
    part = scored.part(np.arange(1000, 3000))
    assert by_level["Caucasian"].recall == (part.early[part.event] >= threshold).mean()
    assert by_level["Caucasian"].prevalence == part.event.mean()


def test_a_group_that_its_own_risks_explain_is_told_from_one_that_is_missed() -> None:
    # Three groups of a thousand with one threshold at 0.5. `calm` has low risks that hold: few alerts, as promised.
    # `missed` has the risks of `plain`, but its events come below the threshold.
    levels = np.repeat(["plain", "calm", "missed"], 1000)
    early = np.concatenate([np.repeat([0.6, 0.1], [n, 1000 - n]) for n in (300, 20, 300)])
    event = np.zeros(3000, dtype=bool)
    for start, above, hits, misses in ((0, 300, 180, 70), (1000, 20, 12, 98), (2000, 300, 20, 230)):
        event[start : start + hits] = True
        event[start + above : start + above + misses] = True
    probabilities = np.column_stack([1 - early, np.zeros(3000), early])
    scored = Scored(np.where(event, 2, 0), probabilities, np.arange(3000))
    groups = fairness.slices(pd.DataFrame({"age": levels}), scored, 0.5, ["age"])
    by_level = {g.level: g for g in groups}
    assert by_level["calm"].recall == pytest.approx(12 / 110) and by_level["calm"].promised == pytest.approx(12 / 110)
    assert by_level["missed"].recall == 0.08 and by_level["missed"].promised == pytest.approx(180 / 250)
    without = fairness.gaps([by_level["plain"], by_level["calm"]], 0.5)
    assert without["recall_gap_any"] == pytest.approx(0.5 - 12 / 110) and without["recall_below_promise"] < 1e-9
    assert without["recall_gap_race_gender"] == 0.0 and without["risk_ratio"] == pytest.approx(1.0)
    assert fairness.gaps(groups, 0.5)["recall_below_promise"] == pytest.approx(0.72 - 0.08)


def test_the_gap_of_races_is_taken_as_it_is_but_for_those_not_recorded() -> None:
    def group(column: str, level: str, recall: float, prevalence: float = 0.1, judged: bool = True) -> fairness.Slice:
        return fairness.Slice(
            column=column,
            level=level,
            rows=600,
            prevalence=prevalence,
            predicted=0.1,
            recall=recall,
            promised=recall,
            alerts=0.1,
            roc_auc=0.6,
            judged=judged,
        )

    groups = [group("race", "A", 0.25), group("race", "unknown", 0.0), group("gender", "F", 0.2, 0.07)]
    gaps = fairness.gaps([*groups, group("race", "few", 0.0, 0.9, judged=False)], 0.3)
    assert gaps["recall_gap_race_gender"] == pytest.approx(0.1) and gaps["recall_gap_any"] == pytest.approx(0.3)
    assert gaps["risk_ratio"] == pytest.approx(10 / 7) and gaps["slice_calibration_gap"] == pytest.approx(0.03)
    assert fairness.gaps([group("age", "old", 0.1, 0.0)], 0.3)["risk_ratio"] == float("inf")
