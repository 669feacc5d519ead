"""Error rates of the gates by simulation: how often they stop a perfect model, and how often a worse one passes. Pure.

A simulated hospital has the prevalence, the spread of risks and the groups of people of the UCI data. Its outcomes are
drawn from the risks themselves, so a model that states these risks is perfect, and every stop is an error. A worse
model states other risks of the same encounters.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from readmission.evaluation import gate_figures, gates, metrics
from readmission.evaluation.gates import Gate
from readmission.evaluation.metrics import Array, Scored

#: Shares of the groups of people in the UCI data; the rest of each column is the first level.
GROUPS: Mapping[str, Mapping[str, float]] = {
    "race": {"Caucasian": 0.749, "AfricanAmerican": 0.189, "unknown": 0.022, "Hispanic": 0.020, "Other": 0.015},
    "gender": {"Female": 0.538, "Male": 0.462},
    "age": {
        "[70-80)": 0.256,
        "[60-70)": 0.221,
        "[80-90)": 0.169,
        "[50-60)": 0.170,
        "[40-50)": 0.095,
        "[90-100)": 0.027,
    },
}
#: Log-odds of a readmission within 30 days: mean and spread that give a prevalence of 0.114 and a ROC-AUC of 0.68.
_EARLY = (-2.22, 0.66)
#: The same of any readmission within the encounters: the early risk explains a part.
_ANY = (-0.16, 0.9, 0.75)
_SPLITS = {"validation": 0.15, "test": 0.15}

Distortion = Callable[[Array, Array, pd.DataFrame, np.random.Generator], tuple[Array, Array]]


@dataclass(frozen=True, kw_only=True)
class Rate:
    """Result of one gate over all simulated candidates.

    Attributes:
        missed: Share of the candidates that the gate refused for certain, 0 to 1.
        in_doubt: Share for which it asked for a person's waiver, 0 to 1.
    """

    missed: float
    in_doubt: float

    @property
    def passed(self) -> float:
        """Return the share that passed without a person."""
        return round(1.0 - self.missed - self.in_doubt, 9) + 0.0


def perfect(early: Array, any_: Array, people: pd.DataFrame, random: np.random.Generator) -> tuple[Array, Array]:
    """State the true risks."""
    return early, any_


def _shifted(early: Array, any_: Array, people: pd.DataFrame, random: np.random.Generator) -> tuple[Array, Array]:
    return _moved(early, 0.5), any_


def _noisy(early: Array, any_: Array, people: pd.DataFrame, random: np.random.Generator) -> tuple[Array, Array]:
    return _moved(early, random.normal(0, 0.8, len(early))) * 0.85, any_


def _unfair(early: Array, any_: Array, people: pd.DataFrame, random: np.random.Generator) -> tuple[Array, Array]:
    return np.where(people["race"] == "AfricanAmerican", early / 1.6, early), any_


def _useless_classes(
    early: Array, any_: Array, people: pd.DataFrame, random: np.random.Generator
) -> tuple[Array, Array]:
    return early, np.clip(_moved(np.full(len(any_), 0.5), random.normal(0, 1.0, len(any_))), early, 1)


def _wrong_any(early: Array, any_: Array, people: pd.DataFrame, random: np.random.Generator) -> tuple[Array, Array]:
    return early, np.maximum(_moved(any_, 0.5), early)


#: Worse models, each with the gate that is there to stop it.
WORSE: Mapping[str, tuple[str, Distortion]] = {
    "risks 1.6 times the truth": ("calibrated_test", _shifted),
    "ROC-AUC 0.06 lower": ("enough_skill", _noisy),
    "one race's risks divided by 1.6": ("fair_risk", _unfair),
    "P(NO) that says nothing": ("enough_accuracy", _useless_classes),
    "P(NO) 12 points too low": ("calibrated_any", _wrong_any),
}


def _moved(risks: Array, log_odds: Array | float) -> Array:
    moved: Array = 1 / (1 + (1 / np.clip(risks, 1e-9, 1 - 1e-9) - 1) * np.exp(-np.asarray(log_odds)))
    return moved


def draw(rows: int, distort: Distortion, seed: int) -> tuple[dict[str, Scored], pd.DataFrame]:
    """Draw the held-out encounters of a hospital, with the answers of one candidate.

    Args:
        rows: Clean encounters of all splits.
        distort: What the candidate makes of the true risks.
        seed: Seed of the draw.

    Returns:
        Rows of validation and test, and the groups of people of both.
    """
    random = np.random.default_rng(seed)
    counts = [round(rows * share) for share in _SPLITS.values()]
    size = sum(counts)
    odds = random.normal(*_EARLY, size)
    mean, slope, spread = _ANY
    early = 1 / (1 + np.exp(-odds))
    any_ = np.maximum(1 / (1 + np.exp(-(mean + slope * (odds - _EARLY[0]) + random.normal(0, spread, size)))), early)
    people = pd.DataFrame(
        {
            name: random.choice([*levels, "others"], size, p=[*levels.values(), 1 - sum(levels.values())])
            for name, levels in GROUPS.items()
        }
    )
    drawn = random.random(size)
    y = np.where(drawn < early, 2, np.where(drawn < any_, 1, 0))
    stated, stated_any = distort(early, any_, people, random)
    probabilities = np.column_stack([1 - stated_any, stated_any - stated, stated])
    scored = Scored(y, probabilities, np.arange(size))
    first = np.arange(size) < counts[0]
    return {"validation": scored.part(first), "test": scored.part(~first)}, people


def simulate(
    limits: Sequence[Gate], rows: int, distort: Distortion, draws: int, *, seed: int = 7, resamples: int = 40
) -> dict[str, Rate]:
    """Judge many candidates of one kind, each on a hospital of its own.

    Args:
        limits: Gates. Those whose figure is not of held-out rows are left out.
        rows: Clean encounters of all splits.
        distort: What the candidates make of the true risks.
        draws: Number of candidates.
        seed: Seed of the first draw.
        resamples: Resamples of the bootstrap of each candidate.

    Returns:
        Rates by name of the gate, and of all gates together under `any gate`.
    """
    missed, doubts = Counter[str](), Counter[str]()
    names: Iterable[str] = ()
    for number in range(draws):
        scored, people = draw(rows, distort, seed + number)
        figures, _, _ = gate_figures.measure(scored, people, resamples=resamples, seed=seed)
        judged = [gate for gate in limits if gate.figure in figures]
        names = [gate.name for gate in judged]
        failed = gates.judge(judged, figures, {"real"}, rows=rows).failed
        missed.update(check.gate for check in failed if not check.in_doubt)
        doubts.update(check.gate for check in failed if check.in_doubt)
        certain = any(not check.in_doubt for check in failed)
        missed["any gate"] += certain
        doubts["any gate"] += bool(failed) and not certain
    return {name: Rate(missed=missed[name] / draws, in_doubt=doubts[name] / draws) for name in (*names, "any gate")}


#: Noise of the log-odds that a model of the data states: two of them differ on 15,000 rows by a standard error of 0.002
#: in ROC-AUC, as measured between trainings on a batch more.
_USUAL = 0.13
#: Candidate against champion: the noise of each. More noise is a lower ROC-AUC.
COMPARED: Mapping[str, tuple[float, float]] = {
    "equally good": (_USUAL, _USUAL),
    "ROC-AUC 0.005 lower": (0.22, _USUAL),
    "ROC-AUC 0.010 lower": (0.28, _USUAL),
    "ROC-AUC 0.005 higher": (_USUAL, 0.22),
}


def draw_pair(rows: int, noise: tuple[float, float], seed: int) -> tuple[Scored, Scored]:
    """Draw encounters, with the answers of two models that know the risks up to a noise of their own.

    Args:
        rows: Encounters that both have not seen, each of another patient.
        noise: Standard deviation of the log-odds that each model adds.
        seed: Seed of the draw.
    """
    random = np.random.default_rng(seed)
    odds = random.normal(*_EARLY, rows)
    y = np.where(random.random(rows) < 1 / (1 + np.exp(-odds)), 2, 0)
    stated = [1 / (1 + np.exp(-(odds + random.normal(0, spread, rows)))) for spread in noise]
    first, second = (Scored(y, np.column_stack([1 - p, 0 * p, p]), np.arange(rows)) for p in stated)
    return first, second


def simulate_comparison(
    limits: Sequence[Gate], rows: int, noise: tuple[float, float], draws: int, *, seed: int = 7, resamples: int = 200
) -> dict[str, float]:
    """Return the share of candidates that each gate of the comparison with the champion lets pass, by its name.

    Args:
        limits: Gates. Those that do not read the lower end of the difference are left out.
        rows: Encounters that both models have not seen.
        noise: Noise of candidate and champion, as in COMPARED.
        draws: Number of candidates.
        seed: Seed of the first draw.
        resamples: Resamples of the bootstrap of each comparison.
    """
    judged = [gate for gate in limits if gate.figure == "difference_low"]
    passed = Counter[str]()
    for number in range(draws):
        pair = draw_pair(rows, noise, seed + number)
        figures = {"difference_low": metrics.compare(*pair, "roc_auc_30", resamples, seed).low}
        # Which of them applies depends on the data that both were trained on.
        conditions = {condition for gate in judged for condition in gate.when}
        checks = gates.judge(judged, figures, conditions, rows=rows).checks
        passed.update(check.gate for check in checks if check.passed)
    return {gate.name: passed[gate.name] / draws for gate in judged}
