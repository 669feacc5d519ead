"""What a person reads before approving a candidate: who it is, what it reaches, and what the gates said. Pure."""

from readmission.promotion.candidates import Judgement

#: Figures that are shown, with their labels.
_FIGURES = {
    "difference": "validation, difference from the champion",
    "difference_low": "  lower end of its 95 % interval",
    "test_roc_auc_30": "test, ROC-AUC of readmission within 30 days",
    "test_pr_auc_30": "test, PR-AUC",
    "test_recall_at_alert_10": "test, early readmissions found when a tenth is alerted",
    "test_ece_30": "test, calibration error within 30 days",
    "test_recent_ece_any": "test, calibration error of any readmission, newest 1,500",
}


def describe(judgement: Judgement, champion: str | None) -> str:
    """Return the candidate, its figures and its verdict as Markdown of less than 2,000 characters.

    Args:
        judgement: Candidate that passed the gates.
        champion: Version that it would replace. None if there is none.
    """
    candidate, verdict = judgement.candidate, judgement.verdict
    replaced = f"replaces version {champion}" if champion else "is the first champion"
    made_up = " Its data is SYNTHETIC." if candidate.synthetic else ""
    rows = [
        f"| {label.strip()} | {judgement.figures[name]:.4f} |"
        for name, label in _FIGURES.items()
        if name in judgement.figures
    ]
    waived = [f"{check.gate} (waived by {check.waived})" for check in verdict.checks if check.waived]
    gates = f"All {len(verdict.checks)} gates are met" + (f", of these {', '.join(waived)}" if waived else "") + "."
    return "\n".join(
        [
            f"**{candidate.family}** of batches {candidate.batches} {replaced}.{made_up}",
            "",
            "| figure | value |",
            "|---|---|",
            *rows,
            "",
            f"{gates} Verdict and model card: MLflow run `{candidate.run_id}`. The gates are checked again when it is"
            " promoted, because the champion may be another by then.",
        ]
    )
