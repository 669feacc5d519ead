"""Records of risk that a model version carries: operating points and bands.

They stand here, without pandas, because training chooses them, the artifact's manifest stores them and the API answers
with them.
"""

from typing import Literal

import msgspec

#: Names of the bands, from the lowest risk. The thresholds belong to a model version (`manifest.Manifest.bands`).
BAND_NAMES = ("usual", "raised", "high", "very high")
#: What estimates are for; the README, the model card and the demo say the same.
INTENDED_USE = (
    "For research on hospital stays like those of the data (US hospitals, 1999–2008). "
    "Not a medical device: no clinical decision should rest on it."
)
#: What the two other probabilities cannot mean; model card, demo and docs/api.md say the same.
NO_HORIZON = (
    "The chances of a later readmission and of none have no time limit: they describe what was recorded until the data "
    "ended, not whether a patient will ever return, so act only on the risk within 30 days."
)


class OperatingPoint(msgspec.Struct, frozen=True, kw_only=True):
    """A threshold to alert at, with what it gives on validation.

    Attributes:
        rule: What the threshold was chosen by: a share of encounters to alert ("alert 10%") or a ratio of costs
            ("cost 10:1").
        threshold: Risk of readmission within 30 days at or above which to alert, 0 to 1.
        alerts: Share of encounters at or above the threshold.
        recall: Share of early readmissions that are alerted.
        precision: Share of alerts that are early readmissions.
    """

    rule: str
    threshold: float
    alerts: float
    recall: float
    precision: float


class Tested(msgspec.Struct, frozen=True):
    """What became of the test encounters of a band.

    Attributes:
        encounters: How many there are.
        rate: Share of them that was readmitted within 30 days, 0 to 1.
        low, high: Ends of the 95 % interval of that share, by bootstrap of patients.
    """

    encounters: int
    rate: float
    low: float
    high: float


class RiskBand(msgspec.Struct, frozen=True, omit_defaults=True):
    """A band of risk.

    Attributes:
        name: One of BAND_NAMES.
        at_least: Risk at which the band begins, 0 to 1. It ends where the next band begins.
        tested: What became of its test encounters. None for a band without any, and for models that were compiled
            before the field existed.
    """

    name: str
    at_least: float
    tested: Tested | None = None


class GroupDoubt(msgspec.Struct, frozen=True, kw_only=True):
    """Group of people whose estimates a reader should doubt, by validation and test together.

    Attributes:
        column: Column that defines the group.
        level: Level of that column.
        doubt: ``ranks poorly``, ``too low`` or ``too high``.
        roc_auc: ROC-AUC of readmission within 30 days within the group.
        observed: Share of its encounters with a readmission within 30 days, 0 to 1.
        predicted: Mean predicted risk, 0 to 1.
    """

    column: str
    level: str
    doubt: Literal["ranks poorly", "too low", "too high"]
    roc_auc: float
    observed: float
    predicted: float
