"""Create the schemas raw, clean, training and serving, with what each role may do.

The columns are written out, not taken from the contract: a migration must not change when the contract does.
More than 250 lines, because it is one list of tables and their relations.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

RAW_COLUMNS = [
    "race",
    "gender",
    "age",
    "weight",
    "admission_type_id",
    "discharge_disposition_id",
    "admission_source_id",
    "time_in_hospital",
    "payer_code",
    "medical_specialty",
    "num_lab_procedures",
    "num_procedures",
    "num_medications",
    "number_outpatient",
    "number_emergency",
    "number_inpatient",
    "diag_1",
    "diag_2",
    "diag_3",
    "number_diagnoses",
    "max_glu_serum",
    "A1Cresult",
    "metformin",
    "repaglinide",
    "nateglinide",
    "chlorpropamide",
    "glimepiride",
    "acetohexamide",
    "glipizide",
    "glyburide",
    "tolbutamide",
    "pioglitazone",
    "rosiglitazone",
    "acarbose",
    "miglitol",
    "troglitazone",
    "tolazamide",
    "examide",
    "citoglipton",
    "insulin",
    "glyburide-metformin",
    "glipizide-metformin",
    "glimepiride-pioglitazone",
    "metformin-rosiglitazone",
    "metformin-pioglitazone",
    "change",
    "diabetesMed",
    "readmitted",
]
SMALL_INTEGERS = {
    "admission_type_id",
    "discharge_disposition_id",
    "admission_source_id",
    "time_in_hospital",
    "num_lab_procedures",
    "num_procedures",
    "num_medications",
    "number_outpatient",
    "number_emergency",
    "number_inpatient",
    "number_diagnoses",
}
NULLABLE = {"race", "weight", "payer_code", "medical_specialty", "diag_1", "diag_2", "diag_3"}

SCHEMAS = """
CREATE SCHEMA raw; CREATE SCHEMA clean; CREATE SCHEMA training; CREATE SCHEMA serving;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
"""

RAW = """
CREATE TABLE raw.batches (
  batch_id integer PRIMARY KEY,
  source text NOT NULL,
  source_sha256 text NOT NULL,
  source_batch integer NOT NULL,
  synthetic boolean NOT NULL,
  rows_read integer NOT NULL,
  accepted integer NOT NULL,
  quarantined integer NOT NULL,
  duplicate integer NOT NULL,
  started timestamptz NOT NULL,
  finished timestamptz NOT NULL,
  UNIQUE (source_sha256, source_batch),
  CHECK (rows_read = accepted + quarantined + duplicate)
);
CREATE TABLE raw.encounters (
  encounter_id bigint PRIMARY KEY,
  patient_nbr bigint NOT NULL,
  {columns},
  batch_id integer NOT NULL REFERENCES raw.batches DEFERRABLE INITIALLY DEFERRED,
  content_hash text NOT NULL,
  ingested_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON raw.encounters (batch_id);
CREATE TABLE raw.quarantine (
  batch_id integer NOT NULL REFERENCES raw.batches DEFERRABLE INITIALLY DEFERRED,
  row_number bigint NOT NULL,
  content jsonb NOT NULL,
  reasons jsonb NOT NULL,
  quarantined_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (batch_id, row_number)
);
COMMENT ON COLUMN raw.quarantine.row_number IS 'row of the source file, 1 = first row below the header';
"""

CLEAN = """
CREATE TABLE clean.batches (
  batch_id integer PRIMARY KEY REFERENCES raw.batches,
  rows integer NOT NULL,
  excluded integer NOT NULL,
  snapshot text NOT NULL,
  snapshot_sha256 text NOT NULL,
  finished timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE clean.encounters (
  encounter_id bigint PRIMARY KEY,
  patient_nbr bigint NOT NULL,
  {columns},
  diag_1_number real, diag_1_chapter text,
  diag_2_number real, diag_2_chapter text,
  diag_3_number real, diag_3_chapter text,
  batch_id integer NOT NULL REFERENCES clean.batches DEFERRABLE INITIALLY DEFERRED,
  split text NOT NULL CHECK (split IN ('train', 'validation', 'test'))
);
CREATE INDEX ON clean.encounters (batch_id);
CREATE INDEX ON clean.encounters (patient_nbr);
COMMENT ON COLUMN clean.batches.excluded IS 'deaths and hospice: readmission impossible';
"""

TRAINING = """
CREATE TABLE training.experiments (
  run_id text PRIMARY KEY,
  family text NOT NULL,
  first_batch integer NOT NULL,
  last_batch integer NOT NULL,
  data_sha256 text NOT NULL,
  synthetic boolean NOT NULL,
  seed integer NOT NULL,
  git_sha text NOT NULL,
  metrics jsonb NOT NULL,
  trained_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (family, data_sha256, seed, git_sha)
);
CREATE TABLE training.promotions (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  decision text NOT NULL CHECK (decision IN ('promoted', 'refused', 'rolled back')),
  model_name text NOT NULL,
  model_version text,
  replaced_version text,
  run_id text,
  family text,
  reasons jsonb NOT NULL,
  decided_by text NOT NULL,
  decided_at timestamptz NOT NULL DEFAULT now()
);
"""

SERVING = """
CREATE TABLE serving.predictions (
  prediction_id uuid NOT NULL,
  predicted_at timestamptz NOT NULL,
  model_name text NOT NULL,
  model_version text NOT NULL,
  inputs jsonb NOT NULL,
  inputs_sha256 text NOT NULL,
  prediction text NOT NULL,
  p_no real NOT NULL,
  p_late real NOT NULL,
  p_early real NOT NULL,
  missing text[] NOT NULL,
  latency_ms real NOT NULL,
  request_id text NOT NULL,
  PRIMARY KEY (prediction_id, predicted_at)
) PARTITION BY RANGE (predicted_at);
CREATE TABLE serving.predictions_default PARTITION OF serving.predictions DEFAULT;
CREATE INDEX ON serving.predictions (predicted_at);
CREATE TABLE serving.feedback (
  prediction_id uuid PRIMARY KEY,
  outcome text NOT NULL CHECK (outcome IN ('NO', '>30', '<30')),
  observed_at timestamptz NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE serving.scores (
  encounter_id bigint NOT NULL,
  model_name text NOT NULL,
  model_version text NOT NULL,
  p_no real NOT NULL,
  p_late real NOT NULL,
  p_early real NOT NULL,
  scored_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (encounter_id, model_name, model_version)
);
COMMENT ON COLUMN serving.predictions.p_no IS 'P(NO)';
COMMENT ON COLUMN serving.predictions.p_late IS 'P(>30)';
COMMENT ON COLUMN serving.predictions.p_early IS 'P(<30)';
"""

GRANTS = """
GRANT USAGE ON SCHEMA raw TO readmission_ingest, readmission_process, readmission_train, readmission_monitor;
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA raw TO readmission_ingest;
GRANT SELECT ON ALL TABLES IN SCHEMA raw TO readmission_process, readmission_monitor;
GRANT SELECT ON raw.batches TO readmission_train;

GRANT USAGE ON SCHEMA clean TO readmission_process, readmission_train, readmission_score, readmission_monitor;
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA clean TO readmission_process;
GRANT SELECT ON ALL TABLES IN SCHEMA clean TO readmission_train, readmission_score, readmission_monitor;

GRANT USAGE ON SCHEMA training TO readmission_train, readmission_monitor;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA training TO readmission_train;
GRANT SELECT ON ALL TABLES IN SCHEMA training TO readmission_monitor;

GRANT USAGE ON SCHEMA serving TO readmission_serving, readmission_score, readmission_monitor;
GRANT SELECT, INSERT ON serving.predictions, serving.predictions_default TO readmission_serving;
GRANT SELECT, INSERT, UPDATE ON serving.feedback TO readmission_serving;
GRANT SELECT, INSERT, UPDATE ON serving.scores TO readmission_score;
GRANT SELECT ON ALL TABLES IN SCHEMA serving TO readmission_monitor;
"""


def _columns(typed: bool) -> str:
    lines = []
    for name in RAW_COLUMNS:
        kind = "smallint" if typed and name in SMALL_INTEGERS else "text"
        lines.append(f'"{name}" {kind}{"" if typed and name in NULLABLE else " NOT NULL"}')
    return ",\n  ".join(lines)


def upgrade() -> None:
    """Create schemas, tables and grants."""
    op.execute(SCHEMAS)
    op.execute(RAW.replace("{columns}", _columns(typed=False)))
    op.execute(CLEAN.replace("{columns}", _columns(typed=True)))
    op.execute(TRAINING)
    op.execute(SERVING)
    op.execute(GRANTS)
