"""On whom a candidate is compared with the champion: all patients if both answer for all of them, else validation."""

from typing import Any

import numpy as np
import pytest

from readmission.evaluation import metrics
from readmission.evaluation.metrics import Scored
from readmission.promotion import comparison
from readmission.promotion.champion import Champion
from readmission.settings import Settings
from tests.unit.promotion.test_candidates import MODEL

NOBODY: Any = None


def scored(rows: int, noise: float, seed: int) -> Scored:
    """Return rows whose true risks are stated with some noise; the rows depend on their number alone."""
    random = np.random.default_rng(rows)
    odds = random.normal(-2, 1, rows)
    y = np.where(random.random(rows) < 1 / (1 + np.exp(-odds)), 2, 0)
    risks = 1 / (1 + np.exp(-odds - np.random.default_rng(seed).normal(0, noise, rows)))
    return Scored(y, np.c_[1 - risks, 0 * risks, risks], np.arange(rows))


def champion(version: str, unseen: Scored | None, record: Champion | None = None) -> Champion:
    return Champion(
        version=version,
        run_id="r",
        data_sha256="other",
        validation=scored(500, 0.5, 1),
        unseen=unseen,
        record=record,
    )


def compare(opponent: Champion | None, data: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[set[str], dict[str, float]]:
    # The candidate's own answers on all patients need a store; tests/integration/promotion/test_folds.py has one.
    monkeypatch.setattr(comparison, "_score", lambda *_: scored(4_000, 0.1, 2))
    return comparison.compare(Settings(), NOBODY, data, MODEL, NOBODY, scored(500, 0.1, 2), opponent)


class Data:
    sha256 = "this"


def test_without_a_champion_nothing_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    assert compare(None, Data(), monkeypatch) == (set(), {})


def test_with_fits_of_folds_all_patients_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = scored(4_000, 0.5, 1)
    conditions, figures = compare(champion("1", theirs), Data(), monkeypatch)
    assert conditions == {"champion", "new_data"}
    expected = metrics.compare(scored(4_000, 0.1, 2), theirs, "roc_auc_30")
    assert figures == {"difference": expected.value, "difference_low": expected.low}


def test_without_them_the_validation_patients_are_also_where_the_record_has_some(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    best = champion("1", scored(4_000, 0.05, 3))
    conditions, figures = compare(champion("2", None, best), Data(), monkeypatch)
    assert conditions == {"champion", "new_data", "record"}
    on_validation = metrics.compare(scored(500, 0.1, 2), scored(500, 0.5, 1), "roc_auc_30")
    on_all = metrics.compare(scored(4_000, 0.1, 2), scored(4_000, 0.05, 3), "roc_auc_30")
    assert (figures["difference"], figures["difference_low"]) == (on_validation.value, on_validation.low)
    assert (figures["record_difference"], figures["record_difference_high"]) == (on_all.value, on_all.high)


def test_the_same_data_is_another_condition(monkeypatch: pytest.MonkeyPatch) -> None:
    same = Data()
    same.sha256 = "other"
    assert compare(champion("1", None), same, monkeypatch)[0] == {"champion", "same_data"}
