"""Inventory of every place where the system keeps data: tables with their columns, and files of the state folder.

This is the one place to register a new table, column or file. A test compares it with the migrated database and with
the state folder of a system that has worked, and names what is missing here. Erasure and retention follow it.
More than 250 lines, because it is one table.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from readmission import contract

#: Where a statement of erasure finds the rows of a patient; parameters of every `Table.erase`.
PATIENT, ENCOUNTERS = "patient_nbr = %(patient)s", "encounter_id = ANY(%(encounters)s)"
PREDICTIONS = "prediction_id = ANY(%(predictions)s::uuid[])"
_REFUSED = (
    "(btrim(content->>'patient_nbr') = %(text)s OR btrim(content->>'encounter_id') = ANY(%(texts)s)"
    " OR %(text)s = ANY(regexp_split_to_array(content->>'text', '[^0-9]+')))"
)


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table.

    Attributes:
        name: "schema.table"; partitions belong to their table.
        contents: What a row says of a patient; empty if nothing.
        patient: Columns with data of patients.
        other: Every other column.
        erase: Condition that finds a patient's rows, of the parameters patient (number), text (the same as text),
            encounters, texts (the same as texts) and predictions (their ids). Empty: no row is one patient's.
        moment: Column from which the age of a row counts.
        setting: Retention setting in days. If omitted, rows are kept until they are erased.
    """

    name: str
    contents: str = ""
    patient: tuple[str, ...] = ()
    other: tuple[str, ...] = ()
    erase: str = ""
    moment: str = ""
    setting: str = ""


@dataclass(frozen=True, kw_only=True)
class Files:
    """Files of the state folder.

    Attributes:
        patterns: Of paths below it, as `fnmatch` reads them (`*` also matches slashes).
        contents: What they say of patients; empty if nothing.
        retention: How they go.
        readers: Who may read them.
    """

    patterns: tuple[str, ...]
    contents: str = ""
    retention: str = ""
    readers: str = "the user of the process"


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_DIAGNOSES = tuple(f"{name}_{part}" for name in contract.DIAGNOSES for part in ("number", "chapter"))

#: In the order in which erasure deletes: a table before those that it refers to.
TABLES: tuple[Table, ...] = (
    Table(
        name="serving.feedback",
        contents="the outcome of a prediction",
        patient=_names("prediction_id outcome observed_at"),
        other=_names("received_at"),
        erase=PREDICTIONS,
        moment="received_at",
        setting="retention_feedback_days",
    ),
    Table(
        name="serving.card_feedback",
        contents="what a clinician did with the card of a prediction",
        patient=_names("prediction_id outcome reason comment acted_at"),
        other=_names("received_at"),
        erase=PREDICTIONS,
        moment="received_at",
        setting="retention_feedback_days",
    ),
    Table(
        name="serving.follow_ups",
        contents="what the follow-up team did about a discharge",
        patient=_names("prediction_id action noted_at"),
        other=_names("received_at"),
        erase=PREDICTIONS,
        moment="received_at",
        setting="retention_feedback_days",
    ),
    Table(
        name="serving.discharges",
        contents="the record system's references of a prediction's patient and stay",
        patient=_names("prediction_id patient stay discharged_on columns"),
        other=_names("source received_at"),
        erase=PREDICTIONS,
        moment="received_at",
        setting="retention_predictions_days",
    ),
    Table(
        name="serving.predictions",
        contents="a request as it was sent, and its answer",
        patient=_names("prediction_id inputs inputs_sha256 prediction p_no p_late p_early missing"),
        other=_names("predicted_at model_name model_version variant latency_ms request_id"),
        erase=PREDICTIONS,
        moment="predicted_at",
        setting="retention_predictions_days",
    ),
    Table(
        name="serving.scores",
        contents="the scores of an encounter",
        patient=_names("encounter_id p_no p_late p_early"),
        other=_names("model_name model_version scored_at"),
        erase=ENCOUNTERS,
        moment="scored_at",
        setting="retention_scores_days",
    ),
    Table(
        name="clean.encounters",
        contents="an encounter with types and split",
        patient=(
            *contract.COLUMN_NAMES,
            *_DIAGNOSES,
            *_names("split discharged_at"),
        ),
        other=_names("batch_id arrived_at known_at"),
        erase=PATIENT,
    ),
    Table(
        name="raw.quarantine",
        contents="a refused row, whole",
        patient=_names("content"),
        other=_names("batch_id row_number reasons quarantined_at"),
        erase=_REFUSED,
        moment="quarantined_at",
        setting="retention_quarantine_days",
    ),
    Table(
        name="raw.corrections",
        contents="a later version of an encounter",
        patient=_names("encounter_id content content_hash discharged_at"),
        other=_names("id batch_id known_at"),
        erase=ENCOUNTERS,
        moment="known_at",
        setting="retention_raw_days",
    ),
    Table(
        name="raw.encounters",
        contents="an encounter as text",
        patient=(
            *contract.COLUMN_NAMES,
            *_names("content_hash discharged_at"),
        ),
        other=_names("batch_id ingested_at known_at"),
        erase=PATIENT,
        moment="ingested_at",
        setting="retention_raw_days",
    ),
    Table(
        name="privacy.accesses",
        contents="who asked about a patient, by pseudonym",
        patient=_names("token"),
        other=_names("access_id accessed_at key_id client route model_name model_version request_id"),
        moment="accessed_at",
        setting="retention_accesses_days",
    ),
    Table(
        name="privacy.tombstones",
        contents="an erased patient, by pseudonym",
        patient=_names("token"),
        other=_names("key_id created_at"),
    ),
    Table(
        name="privacy.erasures",
        contents="a request to erase a patient, by pseudonym",
        patient=_names("token"),
        other=_names("id key_id reason requested_by requested_at"),
    ),
    Table(name="privacy.erasure_steps", other=("id", "erasure_id", "place", "removed", "done_at")),
    Table(
        name="privacy.reissues",
        other=_names("id subject old_sha256 new_sha256 old_key removed reason reissued_at"),
    ),
    Table(name="privacy.affected_models", other=("erasure_id", "run_id", "family", "recorded_at")),
    Table(name="privacy.purges", other=("id", "place", "keep_days", "dropped", "purged_at")),
    Table(
        name="raw.batches",
        other=_names(
            "batch_id source source_sha256 source_batch synthetic rows_read"
            " accepted quarantined duplicate started finished icd corrected known_through content_sha256"
        ),
    ),
    Table(
        name="clean.batches",
        other=_names("batch_id rows excluded snapshot snapshot_sha256 finished immature through_batch"),
    ),
    Table(
        name="clean.revisions",
        other=_names("batch_id revision rows excluded immature through_batch snapshot snapshot_sha256 finished"),
    ),
    Table(
        name="training.experiments",
        other=_names("run_id family first_batch last_batch data_sha256 synthetic seed git_sha metrics trained_at icd"),
    ),
    Table(
        name="training.runs",
        other=_names(
            "run_id family first_batch last_batch data_sha256 synthetic icd seed code revision packages image metrics"
            " trained_at"
        ),
    ),
    Table(
        name="training.intents",
        other=_names(
            "id decision model_name model_version replaced_version run_id family reasons decided_by intended_at"
            " settled_at"
        ),
    ),
    Table(
        name="training.promotions",
        other=_names(
            "id decision model_name model_version replaced_version run_id family reasons decided_by decided_at"
        ),
    ),
    Table(name="monitoring.step_runs", other=("id", "step", "started", "finished", "result")),
    Table(
        name="monitoring.drift_reports",
        other=_names("report_id subject batch_id reference model_version rows judged alarm rule report measured_at"),
        moment="measured_at",
        setting="retention_reports_days",
    ),
    Table(
        name="monitoring.drift",
        other=_names(
            "report_id window_name window_rows column_name administrative drifted psi"
            " psi_low psi_high psi_noise jensen_shannon wasserstein missing_before missing_now absent_now"
        ),
    ),
    Table(
        name="monitoring.quality",
        other=_names(
            "measured_on model_version source slice level metric n positives coverage value low high measured_at"
        ),
    ),
    Table(
        name="monitoring.expected_quality",
        other=_names("measured_on model_version source metric n value low high measured_at"),
    ),
    Table(name="monitoring.decisions", other=("id", "retrain", "reason", "figures", "decided_at", "nothing_new")),
    Table(name="public.installation", other=("id", "created", "single")),
    Table(name="public.alembic_version", other=("version_num",)),
)
#: Schemas whose tables belong to a library, which makes them itself; none holds patients' data.
FOREIGN_SCHEMAS: Mapping[str, str] = {"search": "Optuna's studies and trials: parameters and scores of searches"}

#: Artifacts that hold no patient: rules and weights of a model, golden rows that are invented, tables of many.
_SERVING = (
    "manifest.json",
    "signature.json",
    "scorer.json",
    "trees.txt",
    "pipeline.skops",
    "golden.json",
    "model_card.html",
    "model_card.es.html",
    "model_card.md",
    "applied_model_card.xml",
)
_RUN = (
    ".png",
    "/model_card.md",
    "/model_card.html",
    "/model_card.es.html",
    "/applied_model_card.xml",
    "/verdict.json",
    "/learning_curve.csv",
    "/MLmodel",
    "/model.skops",
    "/conda.yaml",
    "/python_env.yaml",
    "/requirements.txt",
    "/input_example.json",
    "/serving_input_example.json",
    ".html",
)
FILES: tuple[Files, ...] = (
    Files(
        patterns=("objects/clean/*.parquet",),
        contents="clean encounters of a batch",
        retention="until erased; written anew without a patient",
        readers="the steps process, train, score, monitor",
    ),
    Files(patterns=("objects/privacy/tombstones/*",), contents="erased patients, by pseudonym", retention="for ever"),
    Files(patterns=("objects/monitoring/*.html",), retention="retention_reports_days"),
    Files(
        patterns=("mlflow-artifacts/*/serving/visits.bin", "models/*/visits.bin"),
        contents="earlier encounters of each patient, by pseudonym",
        retention="with the version; written anew without a patient",
        readers="whoever reads MLflow's artifacts, and the API",
    ),
    Files(
        patterns=(
            *(f"{folder}/*/{name}" for folder in ("mlflow-artifacts", "models") for name in _SERVING),
            *(f"mlflow-artifacts/*{name}" for name in _RUN),
            "models/*/aliases.json",
            "models/*/workers/*.json",
            "models/*/poke",
            "models/*/polled",
        ),
        retention="as long as the run in MLflow",
        readers="whoever reads MLflow's artifacts, and the API",
    ),
    # Before the next one, whose * also matches slashes.
    Files(
        patterns=("spool/unreadable/*",),
        contents="pieces of the log that cannot be stored",
        retention="retention_spool_days",
    ),
    Files(
        patterns=("spool/*.log", "spool/*.part"),
        contents="requests and answers on their way to the database",
        retention="seconds, while the database answers",
    ),
    Files(
        patterns=("spool/feedback/*",),
        contents="outcomes that wait for their prediction",
        retention="an hour at most",
    ),
    Files(
        patterns=("spool/clinic/*",),
        contents="feedback on cards and follow-ups on their way to the database",
        retention="seconds, while the database answers",
    ),
    Files(patterns=("cds/*",), retention="keys of record systems, and used tokens until they expire"),
    Files(
        patterns=("record-systems.json", "*-jwks.json", "sandbox/*"),
        retention="trusted record systems and the sandbox's key, which the operator deletes",
    ),
    Files(
        patterns=("cache/*", "feed/*"),
        contents="the data source as its publisher hands it out",
        retention="delete by hand once every batch is in",
    ),
    Files(
        patterns=("postgres/*", "postgres.new/*"),
        contents="the files of the database; deleted rows are overwritten by its vacuum",
        retention="that of the tables",
    ),
    Files(
        patterns=("demo/*",),
        contents="files that were uploaded to the demo, and their scored copies",
        retention="15 minutes",
    ),
    Files(patterns=("logs/*",), retention="rotated by size"),
    Files(
        patterns=("backup-scratch/*",),
        contents="a dump in the making",
        retention="deleted when the backup ends",
    ),
    Files(
        patterns=(
            "secrets.env",
            "settings.env",
            "supervisor*",
            "sidecar.*",
            "run/*",
            "mlflow-metrics/*",
            "metrics/*",
            "airflow/*",
            "airflow-test/*",
            "prometheus/*",
            "bentoml/*",
        ),
        retention="not patients' data",
    ),
)

_COLUMNS = """
SELECT n.nspname || '.' || c.relname, a.attname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
ORDER BY 1, a.attnum"""


def unregistered_columns(cursor: Any) -> list[str]:
    """Return tables and columns that only the database has, and those that only the inventory lists.

    Args:
        cursor: Of any role; the catalogue is open to all.
    """
    cursor.execute(_COLUMNS)
    present: dict[str, set[str]] = {}
    for table, column in cursor.fetchall():
        if table.partition(".")[0] not in FOREIGN_SCHEMAS:
            present.setdefault(table, set()).add(column)
    registered = {table.name: {*table.patient, *table.other} for table in TABLES}
    return [
        *(
            f"{name}.{column} is not registered"
            for name, columns in present.items()
            for column in sorted(columns - registered.get(name, set()))
        ),
        *(
            f"{name}.{column} does not exist"
            for name, columns in registered.items()
            for column in sorted(columns - present.get(name, set()))
        ),
    ]


def find_files(path: str) -> Files | None:
    """Return the entry of a path below the state folder; None if the inventory does not know it."""
    return next((files for files in FILES if any(fnmatchcase(path, pattern) for pattern in files.patterns)), None)


def unregistered_files(paths: Iterable[str]) -> list[str]:
    """Return the paths below the state folder that the inventory does not know."""
    return [path for path in paths if find_files(path) is None]
