"""Record of a model that was fitted again on every patient after its gates. Pure."""

import msgspec

from readmission.contract.risk import OperatingPoint, RiskBand
from readmission.evaluation import recalibration
from readmission.evaluation.metrics import Interval

#: Figures of the folds that a card shows: key of `metrics.measure`, or recent_ece_any -> label.
QUALITY = {
    "roc_auc_30": "ROC-AUC, readmission within 30 days",
    "pr_auc_30": "PR-AUC, readmission within 30 days",
    "ece_30": "calibration error (ECE)",
    "recent_ece_any": f"calibration error of any readmission on the newest {recalibration.RECENT_OF_ALL:,}",
}


class RefitRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What serves in the place of the model that was judged.

    Attributes:
        uri: MLflow URI of its Pipeline.
        data_sha256: Hash of the snapshot that it was fitted on.
        encounters, patients: How many it was fitted on.
        quality: Figures of QUALITY over all encounters, each scored by a fit that had not seen its patient. Records of
            earlier releases lack recent_ece_any.
        points: Operating points, chosen on such scores of the encounters that are not of test.
        bands: Bands of risk, chosen likewise, with what became of the test encounters.
    """

    uri: str
    data_sha256: str
    encounters: int
    patients: int
    quality: dict[str, Interval]
    points: tuple[OperatingPoint, ...]
    bands: tuple[RiskBand, ...]


def markdown(refit: RefitRecord | None) -> str:
    """Return what a model card says of whose figures it states.

    Args:
        refit: What serves. None if it is the model that was judged.
    """
    if refit is None:
        return (
            "The model that serves is the one that was judged: it was trained on the train split, and the figures below"
            " are its own."
        )
    shown = {label: refit.quality[name] for name, label in QUALITY.items() if name in refit.quality}
    figures = ", ".join(f"{label} {interval}" for label, interval in shown.items())
    return (
        "The figures below, the gates included, are those of the **judged model**, which was trained on the train split"
        " and has seen neither validation nor test. **What serves** is the same family with the same parameters, fitted"
        f" again on all {refit.encounters:,} encounters of {refit.patients:,} patients after the gates had passed"
        f" (snapshot `{refit.data_sha256[:12]}`). It has no patients left to be measured on. In its place stand three"
        " fits that each leave out a third of the patients: over all encounters, each scored by the fit that had not"
        f" seen its patient, {figures}. Its operating points and risk bands were chosen on these scores. Later"
        " candidates are compared with the judged model."
    )
