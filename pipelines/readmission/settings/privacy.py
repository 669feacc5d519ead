"""Settings of privacy: the key of pseudonyms, and how long things are kept."""

from typing import Literal

from pydantic import Field, SecretStr

from readmission.settings.groups import Group


class Privacy(Group):
    """Pseudonyms of patients, and how long what is stored of them is kept; 0 keeps it for ever."""

    patient_key: SecretStr | None = Field(
        None,
        alias="patient_key",
        description="Secret under which patients have pseudonyms in model artifacts, access log and tombstones.",
    )
    previous_patient_keys: SecretStr | None = Field(
        None, alias="previous_patient_keys", description="Earlier values of it, separated by commas, after a rotation."
    )
    predictions_days: float = Field(
        400, ge=0, alias="retention_predictions_days", description="Days to keep predictions, in whole months."
    )
    feedback_days: float = Field(400, ge=0, alias="retention_feedback_days", description="Days to keep outcomes.")
    quarantine_days: float = Field(
        90, ge=0, alias="retention_quarantine_days", description="Days to keep the content of refused rows."
    )
    scores_days: float = Field(
        30, ge=0, alias="retention_scores_days", description="Days to keep scores of versions that are not champion."
    )
    raw_days: float = Field(
        0, ge=0, alias="retention_raw_days", description="Days to keep the content of RAW rows that are in CLEAN."
    )
    reports_days: float = Field(400, ge=0, alias="retention_reports_days", description="Days to keep drift reports.")
    accesses_days: float = Field(
        184, ge=0, alias="retention_accesses_days", description="Days to keep the access log, in whole months."
    )
    spool_days: float = Field(
        30, ge=0, alias="retention_spool_days", description="Days to keep unreadable pieces of the prediction log."
    )
    deleted_runs_days: float = Field(
        30,
        ge=0,
        alias="retention_deleted_runs_days",
        description="Days to keep runs that were deleted in MLflow, unless a registered version is of them.",
    )
    erased_models: Literal["mark", "retrain"] = Field(
        "mark",
        alias="erased_models",
        description="What follows when a champion was trained on an erased patient: it is marked, or also retrained.",
    )
