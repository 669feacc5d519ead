"""Settings of the whole system: `READMISSION_*` variables or a file; the package's only reader of them."""

import os
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from readmission.errors import UserError

#: Database roles, one a component; each may do what its step needs and nothing else.
Role = Literal["owner", "ingest", "process", "train", "score", "serving", "monitor", "mlflow", "airflow"]


class Settings(BaseSettings):
    """Hold what an installation may choose; every field is `READMISSION_<FIELD>` in the environment.

    A file of the same names (`READMISSION_SETTINGS`, default `$READMISSION_HOME/settings.env`) is
    read below the environment. Passwords have no default.
    """

    model_config = SettingsConfigDict(env_prefix="READMISSION_", extra="ignore")

    home: Path = Field(Path(".state"), description="State folder of the embedded system.")
    source: str = Field(
        "", description="The data: a csv, the UCI zip, the URL of one, or feed+http://HOST:PORT of a feed; empty: UCI."
    )
    batch_size: int = Field(15_000, ge=1, description="Raw rows in a batch.")
    seed: int = Field(7, description="Seed of every random choice.")
    log_format: Literal["text", "json"] = Field(
        "text", description="Log lines for people or machines; the images set json."
    )
    trace_endpoint: str = Field("", description="OpenTelemetry collector (OTLP over HTTP); empty: nothing is traced.")
    trace_share: float = Field(
        1.0, ge=0, le=1, description="Share of requests that are traced; a caller's decision goes before it."
    )

    postgres_host: str = Field("127.0.0.1", description="Database server.")
    postgres_port: int = Field(15432, description="Database port; in embedded mode also the one to open.")
    postgres_database: str = Field("readmission", description="Database of raw, clean, training, serving.")
    postgres_admin_user: str = Field("postgres", description="Who may create roles; for `migrate` only.")
    postgres_password_admin: SecretStr | None = Field(None, description="For `migrate` only.")
    postgres_password_owner: SecretStr | None = None
    postgres_password_ingest: SecretStr | None = None
    postgres_password_process: SecretStr | None = None
    postgres_password_train: SecretStr | None = None
    postgres_password_score: SecretStr | None = None
    postgres_password_serving: SecretStr | None = None
    postgres_password_monitor: SecretStr | None = None
    postgres_password_mlflow: SecretStr | None = None
    postgres_password_airflow: SecretStr | None = None

    object_store: str = Field("", description="Folder or s3://bucket/prefix of clean snapshots.")
    s3_endpoint: str = Field("", description="URL of an S3 that is not Amazon's, such as MinIO.")

    backup_key: SecretStr | None = Field(
        None, description="Key that encrypts the secrets of a backup; keep it elsewhere."
    )
    backup_key_file: Path | None = Field(None, description="File that holds this key instead.")

    mlflow_port: int = Field(15000, description="Port of the embedded MLflow.")
    mlflow_uri: str = Field("", description="MLflow server; empty: the embedded one.")
    mlflow_artifacts: str = Field("", description="Folder or s3:// where the MLflow server keeps artifacts.")
    experiment: str = Field("diabetes_readmission", description="MLflow experiment.")
    model_name: str = Field("diabetes_readmission", description="Registered model.")

    selection: Literal["roc_auc_30", "pr_auc_30", "log_loss"] = Field(
        "roc_auc_30",
        description="Validation metric that chooses a champion. ROC-AUC for <30 days ranks patients for a follow-up "
        "whatever its capacity, and its difference between two models is the least noisy.",
    )
    train_jobs: int = Field(0, ge=0, description="Families trained at the same time, a thread each; 0: one a core.")
    engine: Literal["local", "dask"] = Field(
        "local", description="Where `process` and `train` work: in this process, or on Dask (extra `scale`)."
    )
    dask_scheduler: str = Field(
        "", description="Scheduler of a Dask cluster, such as tls://dask:8786; empty: workers of this machine."
    )
    dask_workers: int = Field(0, ge=0, description="Workers of this machine; 0: one a core.")
    dask_worker_memory: str = Field(
        "auto", description="Memory of one of them, such as 2GB, before it spills and then stops; auto: a fair share."
    )
    image: str = Field("", description="Image of this process, with its digest; told in model cards.")
    git_sha: str = Field("", description="Commit of this code; an image sets it, a checkout asks git.")

    api_host: str = Field("127.0.0.1", description="Address the API listens on.")
    api_port: int = Field(18080, description="Port of the API.")
    api_url: str = Field("", description="Where clients find the API; empty: the embedded one.")
    api_replicas_url: str = Field("", description="Name of every API replica (headless Service); empty: as API_URL.")
    api_workers: int = Field(1, ge=1, description="Processes of the API.")
    reload_interval: float = Field(5.0, gt=0, description="Seconds between looks at the champion alias.")
    reload_token: SecretStr | None = Field(None, description="Token of POST /reload-model; none: refused.")

    api_keys: Path | None = Field(None, description="File of API keys (name:sha256:scopes); none: open.")
    api_certificate: Path | None = Field(None, description="TLS certificate of the API (PEM); none: HTTP.")
    api_certificate_key: Path | None = Field(None, description="Private key of the certificate (PEM).")
    api_max_body: int = Field(65_536, ge=1_024, description="Bytes of one encounter's request; above: 413.")
    api_max_batch_body: int = Field(33_554_432, ge=65_536, description="Bytes of a batch; above: 413.")
    api_max_records: int = Field(10_000, ge=1, description="Records of one batch request.")
    api_max_waiting: int = Field(2048, ge=1, description="Requests of a worker waiting at once; above: 503.")
    api_drain: float = Field(10.0, ge=0, description="Seconds that running requests get when it stops.")
    prediction_log: Literal["group", "sync", "off"] = Field(
        "group", description="When an answer is on disk: soon after (group), before it is sent, or never."
    )
    log_interval: float = Field(0.05, gt=0, description="Seconds between syncs of the prediction log.")
    spool_bytes: int = Field(1 << 30, ge=1 << 20, description="Room of the log while the database is away.")
    spool_full: Literal["drop", "refuse"] = Field(
        "drop", description="When that is full: answer and count what is not logged, or refuse with 503."
    )
    challenger: Literal["off", "canary", "shadow"] = Field(
        "off", description="Alias challenger: unused, answers a share of patients, or answers to the log only."
    )
    challenger_share: float = Field(0.1, ge=0, le=1, description="Share of requests of the challenger.")

    ui_host: str = Field("127.0.0.1", description="Address the demo listens on.")
    ui_port: int = Field(18081, description="Port of the demo.")
    ui_api_key: SecretStr | None = Field(None, description="API key the demo uses; none: the API is open.")

    feed_host: str = Field("127.0.0.1", description="Address the data feed listens on.")
    feed_port: int = Field(18082, description="Port of the data feed.")
    feed_source: str = Field("", description="The feed's own data: a csv, the UCI zip, or a URL; empty: UCI.")
    feed_interval: float = Field(300, ge=0, description="Seconds from one batch to the next; 0: all at once.")
    feed_opening: str = Field("09:00-23:55", description="Opening hours of the feed; empty: day and night.")
    feed_zone: str = Field("America/Lima", description="Time zone of the opening hours.")
    feed_token: SecretStr | None = Field(None, description="Token of the feed's POST /reset; none: refused.")

    exporter_host: str = Field("127.0.0.1", description="Address the exporter of metrics listens on.")
    exporter_port: int = Field(18090, description="Port of the exporter of metrics.")
    monitoring: bool = Field(False, description="Whether `up` starts the exporter, Prometheus and the status page.")
    prometheus_command: str = Field("prometheus", description="Program of the embedded Prometheus: name or path.")
    prometheus_port: int = Field(18091, description="Port of the embedded Prometheus.")
    board_port: int = Field(18092, description="Port of the embedded status page.")
    drift_psi: float = Field(0.2, gt=0, description="PSI from which a column has drifted.")
    drift_psi_large: float = Field(0.5, gt=0, description="PSI from which one clinical column alone alarms.")
    drift_columns: int = Field(3, ge=1, description="Drifted clinical columns that make an alarm together.")
    drift_windows: int = Field(2, ge=1, description="Windows in a row that must show it.")
    drift_window_rows: int = Field(2_500, ge=100, description="Encounters of one window of a batch.")
    drift_minimum_rows: int = Field(500, ge=50, description="Rows below which a window is not judged.")
    outcome_delay_days: float = Field(30, ge=0, description="Days after which a prediction's outcome can be known.")
    outcome_coverage: float = Field(0.5, ge=0, le=1, description="Known outcomes below which quality is not judged.")
    retrain_cooldown_hours: float = Field(
        24, ge=0, description="Least time between two retrainings by drift or quality."
    )

    airflow: bool = Field(False, description="Whether `up` starts Airflow and the feed: batches flow by themselves.")
    airflow_port: int = Field(18083, description="Port of the embedded Airflow.")
    airflow_password: SecretStr | None = Field(None, description="Password of `admin` in the embedded Airflow.")
    airflow_secret: SecretStr | None = Field(None, description="What the embedded Airflow's keys are derived from.")
    airflow_ingest_minutes: float = Field(1, gt=0, description="Minutes from one ingest to the next, embedded.")
    airflow_approval: bool = Field(False, description="Whether a person approves promotions in the embedded Airflow.")
    airflow_failure_webhook: SecretStr | None = Field(None, description="URL told of a task that failed for good.")

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @property
    def tracking_uri(self) -> str:
        """Return the MLflow server's URL."""
        return self.mlflow_uri or f"http://127.0.0.1:{self.mlflow_port}"

    @property
    def api(self) -> str:
        """Return the API's URL as a client reaches it."""
        return (self.api_url or f"http://127.0.0.1:{self.api_port}").rstrip("/")

    @property
    def objects(self) -> str:
        """Return where clean snapshots are kept: a folder or an s3:// URL."""
        return self.object_store or str(self.home / "objects")

    @property
    def artifacts(self) -> str:
        """Return where the MLflow server keeps artifacts: a folder or an s3:// URL."""
        return self.mlflow_artifacts or str(self.home / "mlflow-artifacts")

    def password(self, role: Role | Literal["admin"]) -> str:
        """Return the database password of one role.

        Raises:
            UserError: the password is not set here; names the variable.
        """
        secret: SecretStr | None = getattr(self, f"postgres_password_{role}")
        if secret is None:
            raise UserError(
                f"READMISSION_POSTGRES_PASSWORD_{role.upper()} is not set, and there is no embedded system "
                f"in {self.home}: run `make up`, or give the password of database role readmission_{role}."
            )
        return secret.get_secret_value()

    def database_url(self, role: Role, database: str = "") -> str:
        """Return the SQLAlchemy URL of one role's connection (driver psycopg2).

        Raises:
            UserError: the role's password is not set.
        """
        return (
            f"postgresql+psycopg2://readmission_{role}:{quote(self.password(role), safe='')}"
            f"@{self.postgres_host}:{self.postgres_port}/{database or self.postgres_database}"
        )


@lru_cache(maxsize=1)
def load() -> Settings:
    """Read the settings once: environment, then the settings file, then the embedded system's secrets.

    Raises:
        UserError: a value is not allowed; names the variable and what is allowed.
    """
    home = Path(os.environ.get("READMISSION_HOME", ".state"))
    named = os.environ.get("READMISSION_SETTINGS")
    if named and not Path(named).is_file():
        raise UserError(f"READMISSION_SETTINGS names {named}, which is not a file.")
    files = [home / "secrets.env", home / "settings.env", *([Path(named)] if named else [])]
    try:
        return Settings(_env_file=files)
    except ValueError as error:
        raise UserError(_explain(error)) from error


def _explain(error: ValueError) -> str:
    details: list[Any] = getattr(error, "errors", lambda **_: [])(include_input=False)
    lines = [f"READMISSION_{str(d['loc'][0]).upper()}: {d['msg']}" for d in details if d.get("loc")]
    return "Settings are not valid: " + ("; ".join(lines) or str(error))
