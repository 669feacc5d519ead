"""Groups of settings: one model per concern. The flat name of a field is its alias, or its group and its own name.

More than 250 lines, because it is one table of all settings.
"""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class Group(BaseModel):
    """Settings of one concern."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=False)


class Trace(Group):
    """Traces of requests and steps."""

    endpoint: str = Field("", description="OpenTelemetry collector (OTLP over HTTP). If empty, nothing is traced.")
    share: float = Field(1.0, ge=0, le=1, description="Share of requests to trace; a caller's decision overrides it.")


class Postgres(Group):
    """Database server and the password of each role."""

    host: str = Field("127.0.0.1", description="Database server.")
    port: int = Field(15432, description="Database port; in embedded mode also the one to open.")
    database: str = Field("readmission", description="Database of raw, clean, training and serving data.")
    admin_user: str = Field("postgres", description="User that may create roles; `migrate` alone uses it.")
    password_admin: SecretStr | None = Field(None, description="Password of that user; `migrate` alone uses it.")
    password_owner: SecretStr | None = None
    password_ingest: SecretStr | None = None
    password_process: SecretStr | None = None
    password_train: SecretStr | None = None
    password_score: SecretStr | None = None
    password_serving: SecretStr | None = None
    password_monitor: SecretStr | None = None
    password_exporter: SecretStr | None = None
    password_privacy: SecretStr | None = None
    password_analyst: SecretStr | None = None
    password_mlflow: SecretStr | None = None
    password_airflow: SecretStr | None = None


class Objects(Group):
    """Object store of clean snapshots."""

    store: str = Field("", alias="object_store", description="Folder or s3://bucket/prefix of clean snapshots.")
    s3_endpoint: str = Field("", alias="s3_endpoint", description="URL of an S3 other than Amazon's, such as MinIO.")


class MLflow(Group):
    """MLflow server, experiment and registered model."""

    port: int = Field(15000, description="Port of the embedded MLflow.")
    uri: str = Field("", description="MLflow server. If empty, the embedded one.")
    artifacts: str = Field("", description="Folder or s3:// URL where the MLflow server keeps artifacts.")
    experiment: str = Field("diabetes_readmission", alias="experiment", description="MLflow experiment.")
    model_name: str = Field("diabetes_readmission", alias="model_name", description="Registered model.")

    @property
    def tracking_uri(self) -> str:
        """Return the MLflow server's URL."""
        return self.uri or f"http://127.0.0.1:{self.port}"


class Training(Group):
    """How families are trained and how the champion is chosen."""

    selection: Literal["roc_auc_30", "pr_auc_30", "log_loss"] = Field(
        "roc_auc_30",
        alias="selection",
        description="Validation metric that chooses a champion. ROC-AUC for <30 days ranks patients for a follow-up "
        "whatever its capacity, and its difference between two models is the least noisy.",
    )
    gates: Path | None = Field(
        None, alias="gates", description="File of gates (YAML) instead of the package's evaluation/gates.yaml."
    )
    refit: bool = Field(
        True,
        alias="refit",
        description="Fit the model that passed the gates again on every patient, and serve that one. If false, or with "
        "the engine dask, the judged model serves itself.",
    )
    jobs: int = Field(
        0, ge=0, alias="train_jobs", description="How many families to train at once. If 0, one per core."
    )


class Dask(Group):
    """Workers of the engine `dask`."""

    scheduler: str = Field(
        "", description="Scheduler of a Dask cluster, such as tls://dask:8786. If empty, workers of this machine."
    )
    workers: int = Field(0, ge=0, description="Number of workers on this machine. If 0, one per core.")
    worker_memory: str = Field(
        "auto", description="Memory of each worker, such as 2GB, before it spills and then stops; auto: a fair share."
    )


class Api(Group):
    """Prediction API: address, keys, limits."""

    host: str = Field("127.0.0.1", description="Address the API listens on.")
    port: int = Field(18080, description="Port of the API.")
    url: str = Field("", description="URL at which clients find the API. If empty, the embedded one.")
    replicas_url: str = Field("", description="Name of every API replica (headless Service). If empty, API_URL.")
    workers: int = Field(1, ge=1, description="Worker processes of the API.")
    reload_interval: float = Field(
        5.0, gt=0, alias="reload_interval", description="How often to poll the champion alias, in seconds."
    )
    reload_token: SecretStr | None = Field(
        None, alias="reload_token", description="Token of POST /reload-model. If unset, the route refuses."
    )
    keys: Path | None = Field(None, description="File of API keys (name:sha256:scopes). If unset, the API is open.")
    certificate: Path | None = Field(None, description="TLS certificate of the API (PEM). If unset, plain HTTP.")
    certificate_key: Path | None = Field(None, description="Private key of the certificate (PEM).")
    max_body: int = Field(65_536, ge=1_024, description="Largest request of one encounter, in bytes; above: 413.")
    max_batch_body: int = Field(33_554_432, ge=65_536, description="Largest batch request, in bytes; above: 413.")
    max_records: int = Field(10_000, ge=1, description="Most records in one batch request.")
    max_waiting: int = Field(2048, ge=1, description="Most requests that may wait in one worker; above: 503.")
    drain: float = Field(10.0, ge=0, description="Seconds that running requests get when the API stops.")

    @property
    def base_url(self) -> str:
        """Return the API's URL as a client reaches it."""
        return (self.url or f"http://127.0.0.1:{self.port}").rstrip("/")


class Clinic(Group):
    """Record systems: CDS Hooks, FHIR, and the discharge team's list."""

    clients: Path | None = Field(
        None,
        alias="cds_clients",
        description="File of the record systems that may call CDS Hooks (docs/clinic.md). If unset, CDS Hooks is off.",
    )
    url: str = Field("", alias="cds_url", description="URL at which record systems and browsers find the API.")
    origins: str = Field(
        "", alias="cds_origins", description="Origins of browsers that may call CDS Hooks, separated by commas."
    )
    max_body: int = Field(
        2_097_152, ge=65_536, alias="fhir_max_body", description="Largest FHIR or CDS Hooks request, in bytes."
    )
    patient_system: str = Field(
        "",
        alias="fhir_patient_system",
        description="System of the Patient identifier that is the data's patient number. If empty, none is.",
    )
    encounter_system: str = Field(
        "",
        alias="fhir_encounter_system",
        description="System of the Encounter identifier that is the data's encounter number. If empty, none is.",
    )
    capacity: int = Field(
        20, ge=1, alias="worklist_capacity", description="Discharges that the follow-up team can call in a day."
    )


class PredictionLog(Group):
    """Prediction log and its spool."""

    mode: Literal["group", "sync", "off"] = Field(
        "group",
        alias="prediction_log",
        description="When an answer is on disk: soon after it is sent (group), before (sync), or never (off).",
    )
    interval: float = Field(0.05, gt=0, alias="log_interval", description="Seconds between syncs of the log to disk.")
    spool_bytes: int = Field(
        1 << 30, ge=1 << 20, alias="spool_bytes", description="Room for the log while the database is away, in bytes."
    )
    spool_full: Literal["drop", "refuse"] = Field(
        "drop",
        alias="spool_full",
        description="When the spool is full: answer and count what is not logged, or refuse with 503.",
    )


class Challenger(Group):
    """Use of the version under the alias `challenger`."""

    mode: Literal["off", "canary", "shadow"] = Field(
        "off",
        alias="challenger",
        description="off: unused; canary: answers a share of patients; shadow: answers to the log only.",
    )
    share: float = Field(0.1, ge=0, le=1, description="Share of requests that the challenger answers.")


class Demo(Group):
    """Demo for clinicians."""

    host: str = Field("127.0.0.1", alias="ui_host", description="Address the demo listens on.")
    port: int = Field(18081, alias="ui_port", description="Port of the demo.")
    api_key: SecretStr | None = Field(
        None, alias="ui_api_key", description="API key that the demo uses. If unset, the API must be open."
    )


class Feed(Group):
    """Data feed that stands for a hospital system."""

    host: str = Field("127.0.0.1", description="Address the data feed listens on.")
    port: int = Field(18082, description="Port of the data feed.")
    source: str = Field("", description="The feed's own data: a CSV file, the UCI zip, or a URL. If empty, UCI.")
    interval: float = Field(300, ge=0, description="Seconds from one batch to the next. If 0, all come at once.")
    opening: str = Field("09:00-23:55", description="Opening hours of the feed. If empty, always open.")
    zone: str = Field("America/Lima", description="Time zone of the opening hours.")
    token: SecretStr | None = Field(None, description="Token of the feed's POST /reset. If unset, the route refuses.")


class Monitoring(Group):
    """Exporter, Prometheus and status page; when quality is judged and retraining is due."""

    enabled: bool = Field(
        False, alias="monitoring", description="Whether `up` starts the exporter, Prometheus and the status page."
    )
    exporter_host: str = Field("127.0.0.1", alias="exporter_host", description="Address the exporter listens on.")
    exporter_port: int = Field(18090, alias="exporter_port", description="Port of the exporter of metrics.")
    prometheus_command: str = Field(
        "prometheus", alias="prometheus_command", description="Program of the embedded Prometheus: name or path."
    )
    prometheus_port: int = Field(18091, alias="prometheus_port", description="Port of the embedded Prometheus.")
    status_page_port: int = Field(18092, alias="board_port", description="Port of the embedded status page.")
    outcome_delay_days: float = Field(
        30, ge=0, alias="outcome_delay_days", description="Days after which a prediction's outcome can be known."
    )
    outcome_coverage: float = Field(
        0.5, ge=0, le=1, alias="outcome_coverage", description="Share of outcomes below which quality is not judged."
    )
    retrain_cooldown_hours: float = Field(
        24,
        ge=0,
        alias="retrain_cooldown_hours",
        description="Least time between two retrainings caused by drift or quality, in hours.",
    )


class Notebook(Group):
    """The workplace: JupyterLab with the database role of the analyst."""

    enabled: bool = Field(False, alias="notebook", description="Whether `up` starts JupyterLab.")
    host: str = Field("127.0.0.1", description="Address that JupyterLab listens on.")
    port: int = Field(18093, description="Port of JupyterLab.")
    token: SecretStr | None = Field(None, description="Token that JupyterLab asks for; in embedded mode it is made.")
    api_key: SecretStr | None = Field(
        None, description="API key that notebooks send, with the scopes `predict,feedback`, if the API has keys."
    )


class Drift(Group):
    """When a column counts as drifted and when drift raises an alarm."""

    psi: float = Field(0.2, gt=0, description="PSI from which a column has drifted.")
    psi_large: float = Field(0.5, gt=0, description="PSI from which a single clinical column raises an alarm.")
    columns: int = Field(3, ge=1, description="Number of drifted clinical columns that together raise an alarm.")
    windows: int = Field(2, ge=1, description="Consecutive windows that must show it.")
    window_rows: int = Field(2_500, ge=100, description="Encounters in one window of a batch.")
    minimum_rows: int = Field(500, ge=50, description="Rows below which a window is not judged.")


class Airflow(Group):
    """Embedded Airflow."""

    enabled: bool = Field(
        False, alias="airflow", description="Whether `up` starts Airflow and the feed, which bring in batches."
    )
    port: int = Field(18083, description="Port of the embedded Airflow.")
    password: SecretStr | None = Field(None, description="Password of `admin` in the embedded Airflow.")
    secret: SecretStr | None = Field(None, description="Secret that the embedded Airflow's keys are derived from.")
    ingest_minutes: float = Field(1, gt=0, description="Minutes from one ingest to the next in the embedded Airflow.")
    approval: bool = Field(False, description="Whether a person approves promotions in the embedded Airflow.")
    failure_webhook: SecretStr | None = Field(None, description="URL to call when a task has failed for good.")


class Backup(Group):
    """Backups of the installation."""

    key: SecretStr | None = Field(None, description="Key that encrypts the secrets of a backup; keep it elsewhere.")
    key_file: Path | None = Field(None, description="File that holds this key instead.")
    s3_endpoint: str = Field(
        "", description="URL of the S3 that holds backups. If empty, that of the clean snapshots (S3_ENDPOINT)."
    )
    s3_access_key: SecretStr | None = Field(
        None, description="Access key of the S3 that holds backups. If unset, the credentials of the snapshots' S3."
    )
    s3_secret_key: SecretStr | None = Field(None, description="Secret key that belongs to this access key.")
