"""Settings of the whole system: `READMISSION_*` variables or a file. The only module that reads the environment.

Settings are grouped in code and flat outside: the field `port` of the group `postgres` is the variable
`READMISSION_POSTGRES_PORT`. A field whose variable does not begin with its group's name states it as its alias.
More than 250 lines, because it is one table of the settings of no group, and the one reader of them all.
"""

import os
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import quote

from pydantic import Field, SecretStr, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from readmission.errors import UserError
from readmission.pseudonyms import PatientKey, read_keys
from readmission.settings.custody import Custody
from readmission.settings.groups import (
    Airflow,
    Api,
    Backup,
    Challenger,
    Clinic,
    Dask,
    Demo,
    Drift,
    Feed,
    Group,
    MLflow,
    Monitoring,
    Notebook,
    Objects,
    Postgres,
    PredictionLog,
    Trace,
    Training,
)
from readmission.settings.privacy import Privacy
from readmission.settings.site import Site
from readmission.signatures import SigningKey, Trust, read_signers

#: Database roles, one per component. Each may do what its component needs and nothing else.
Role = Literal[
    "owner",
    "ingest",
    "process",
    "train",
    "score",
    "serving",
    "monitor",
    "exporter",
    "privacy",
    "analyst",
    "mlflow",
    "airflow",
]
#: Roles that an installation may leave without a password; then nobody can log in as one.
OPTIONAL_ROLES: frozenset[Role] = frozenset({"exporter", "privacy", "analyst"})


#: Every variable begins with it, in any case of letters.
PREFIX = "readmission_"


class Settings(BaseSettings):
    """What an installation may choose. Passwords have no default.

    Built from keyword arguments by their flat names (`postgres_port=15432`), then the environment, then the files
    given as `_env_file`, later ones first.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore")

    home: Path = Field(Path(".state"), description="State folder of the embedded system.")
    source: str = Field(
        "",
        description="The data: a CSV file, the UCI zip, a URL of either, or feed+http://HOST:PORT of a feed. "
        "If empty, UCI.",
    )
    batch_size: int = Field(15_000, ge=1, description="Raw rows in a batch.")
    icd: Literal["9cm", "10cm"] = Field(
        "9cm", description="Code system of the diagnoses in files and feeds: ICD-9-CM or ICD-10-CM. Never guessed."
    )
    quarantine_limit: float = Field(
        0.5, ge=0, le=1, description="Share of a batch that the contract may refuse before `ingest` fails; 1: any."
    )
    seed: int = Field(7, description="Seed of every random choice.")
    log_format: Literal["text", "json"] = Field("text", description="Log lines for people (text) or machines (json).")
    image: str = Field("", description="Image of this process, with its digest; model cards state it.")
    git_sha: str = Field("", description="Commit of this code, for model cards. If empty, a checkout asks git.")
    engine: Literal["local", "dask"] = Field(
        "local", description="Where `process` and `train` work: in this process, or on Dask (extra `scale`)."
    )
    dask: Dask = Dask()
    trace: Trace = Trace()
    postgres: Postgres = Postgres()
    objects: Objects = Objects()
    mlflow: MLflow = MLflow()
    training: Training = Training()
    api: Api = Api()
    prediction_log: PredictionLog = PredictionLog()
    challenger: Challenger = Challenger()
    clinic: Clinic = Clinic()
    demo: Demo = Demo()
    feed: Feed = Feed()
    monitoring: Monitoring = Monitoring()
    notebook: Notebook = Notebook()
    drift: Drift = Drift()
    airflow: Airflow = Airflow()
    backup: Backup = Backup()
    privacy: Privacy = Privacy()
    custody: Custody = Custody()
    site: Site = Site()

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read flat names from every source."""
        return tuple(_Nested(settings_cls, source) for source in (init_settings, env_settings, dotenv_settings))

    def replace(self, **values: object) -> Self:
        """Return a copy with other values, by flat names: `settings.replace(postgres_port=5432)`.

        Values are taken as they are, without validation.
        """
        groups: dict[str, dict[str, object]] = {}
        top: dict[str, object] = {}
        for name, value in values.items():
            group, field = VARIABLES[name]
            (groups.setdefault(group, {}) if group else top)[field] = value
        nested = {group: getattr(self, group).model_copy(update=update) for group, update in groups.items()}
        return self.model_copy(update={**top, **nested})

    def value(self, name: str) -> Any:
        """Return a setting by its flat name."""
        group, field = VARIABLES[name]
        return getattr(getattr(self, group) if group else self, field)

    def without_secrets(self, *keep: str) -> Self:
        """Return a copy without any secret but those of the flat names `keep`: workers get it over the network."""
        return self.replace(**dict.fromkeys(SECRETS - set(keep)))

    @property
    def patient_keys(self) -> tuple[PatientKey, ...]:
        """Return the keys of patients' pseudonyms, the current one first; empty if none is set."""
        current, previous = self.privacy.patient_key, self.privacy.previous_patient_keys
        return read_keys(current.get_secret_value() if current else "", previous.get_secret_value() if previous else "")

    @property
    def signing_key(self) -> SigningKey | None:
        """Return the key that signs promoted versions; None if there is none here."""
        secret = self.custody.signing_key
        return SigningKey(secret.get_secret_value()) if secret else None

    @property
    def trust(self) -> Trust:
        """Return whose signatures of versions count; nobody's, and none is needed, if signing is off."""
        own = self.signing_key
        return Trust([*read_signers(self.custody.trusted_signers), *([own.public] if own else ())])

    @property
    def object_store_url(self) -> str:
        """Return where clean snapshots are kept: a folder or an s3:// URL."""
        return self.objects.store or str(self.home / "objects")

    @property
    def artifact_root(self) -> str:
        """Return where the MLflow server keeps artifacts: a folder or an s3:// URL."""
        return self.mlflow.artifacts or str(self.home / "mlflow-artifacts")

    def password(self, role: Role | Literal["admin"]) -> str:
        """Return the database password of one role.

        Raises:
            UserError: The password is not set here; names the variable.
        """
        secret: SecretStr | None = getattr(self.postgres, f"password_{role}")
        if secret is None:
            raise UserError(
                f"READMISSION_POSTGRES_PASSWORD_{role.upper()} is not set, and there is no embedded system "
                f"in {self.home}: run `make up`, or set the password of database role readmission_{role}."
            )
        return secret.get_secret_value()

    def database_url(self, role: Role, database: str = "") -> str:
        """Return the SQLAlchemy URL of one role's connection (driver psycopg2).

        Raises:
            UserError: The role's password is not set.
        """
        return (
            f"postgresql+psycopg2://readmission_{role}:{quote(self.password(role), safe='')}"
            f"@{self.postgres.host}:{self.postgres.port}/{database or self.postgres.database}"
        )


def fields() -> Iterator[tuple[str, str, str, FieldInfo]]:
    """Yield every setting: flat name, group (empty at the top), field name, and the field."""
    for name, field in Settings.model_fields.items():
        if isinstance(field.default, Group):
            for inner, info in type(field.default).model_fields.items():
                yield info.alias or f"{name}_{inner}", name, inner, info
        else:
            yield name, "", name, field


#: Flat name -> (group, field); the variable is READMISSION_ and the flat name in capitals.
VARIABLES: Mapping[str, tuple[str, str]] = {flat: (group, name) for flat, group, name, _ in fields()}
#: Flat names of secrets.
SECRETS = frozenset(flat for flat, _, _, field in fields() if field.annotation == SecretStr | None)


class _Nested(PydanticBaseSettingsSource):
    """A source of flat names as one of groups."""

    def __init__(self, settings_cls: type[BaseSettings], flat: PydanticBaseSettingsSource) -> None:
        super().__init__(settings_cls)
        self._flat = flat

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Part of the interface that this source does not use: it gives all values at once."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the values of this source, grouped."""
        if isinstance(self._flat, InitSettingsSource):
            values = dict(self._flat.init_kwargs)
        else:
            # Every variable of the environment is here: only those with the prefix are ours (HOME is not).
            variables: Mapping[str, Any] = getattr(self._flat, "env_vars", {})
            values = {
                name.lower()[len(PREFIX) :]: v for name, v in variables.items() if name.lower().startswith(PREFIX)
            }
        nested: dict[str, Any] = {}
        for flat, value in values.items():
            if flat in VARIABLES:
                group, field = VARIABLES[flat]
                (nested.setdefault(group, {}) if group else nested)[field] = value
        return nested


@lru_cache(maxsize=1)
def load_settings() -> Settings:
    """Read the settings once: environment, then the settings file, then the embedded system's secrets.

    Raises:
        UserError: A value is not allowed; names the variable and what is allowed.
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
    names = {path: flat for flat, path in VARIABLES.items()}
    lines = []
    for detail in details:
        group, field = ("", *map(str, detail["loc"]))[-2:]
        lines.append(f"READMISSION_{names.get((group, field), field).upper()}: {detail['msg']}")
    return "The settings are not valid: " + ("; ".join(lines) or str(error))
