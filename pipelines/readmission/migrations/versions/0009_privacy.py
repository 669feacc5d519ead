"""Create the schema privacy, with tombstones, ledgers and the access log, and masked views for analysts."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TABLES = """
CREATE SCHEMA privacy;
CREATE TABLE privacy.tombstones (
  token text NOT NULL,
  key_id text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (token, key_id)
);
CREATE TABLE privacy.erasures (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  token text NOT NULL,
  key_id text NOT NULL,
  reason text NOT NULL,
  requested_by text NOT NULL,
  requested_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE privacy.erasure_steps (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  erasure_id bigint NOT NULL REFERENCES privacy.erasures,
  place text NOT NULL,
  removed bigint NOT NULL,
  done_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE privacy.reissues (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  subject text NOT NULL,
  old_sha256 text NOT NULL,
  new_sha256 text NOT NULL,
  old_key text NOT NULL,
  removed integer NOT NULL,
  reason text NOT NULL,
  reissued_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE privacy.affected_models (
  erasure_id bigint NOT NULL REFERENCES privacy.erasures,
  run_id text NOT NULL,
  family text NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (erasure_id, run_id)
);
CREATE TABLE privacy.purges (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  place text NOT NULL,
  keep_days real NOT NULL,
  dropped bigint NOT NULL,
  purged_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE privacy.accesses (
  access_id uuid NOT NULL,
  accessed_at timestamptz NOT NULL,
  token text NOT NULL,
  key_id text NOT NULL,
  client text NOT NULL,
  route text NOT NULL,
  model_name text NOT NULL,
  model_version text NOT NULL,
  request_id text NOT NULL,
  PRIMARY KEY (access_id, accessed_at)
) PARTITION BY RANGE (accessed_at);
CREATE TABLE privacy.accesses_default PARTITION OF privacy.accesses DEFAULT;
CREATE INDEX ON privacy.accesses (token);
CREATE INDEX ON privacy.accesses (accessed_at);
COMMENT ON TABLE privacy.tombstones IS 'erased patients, by keyed pseudonym; deliveries of their rows are refused';
COMMENT ON TABLE privacy.erasure_steps IS 'rows removed by place; the place "verified" ends an erasure';
COMMENT ON TABLE privacy.reissues IS 'objects and artifacts that were written anew without a patient';
COMMENT ON TABLE privacy.purges IS 'what was dropped because of its age: counts, never contents';
COMMENT ON TABLE privacy.accesses IS 'who asked about which patient; insert-only for the API';
"""

# The owner's functions: the API may not create tables, and the role privacy may not drop them. A month whose rows
# have begun to fill the default partition stays there, and is deleted by rows.
FUNCTIONS = """
CREATE FUNCTION privacy.ensure_month(day date) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  first date := date_trunc('month', day);
  name text := 'accesses_' || to_char(day, 'YYYY_MM');
BEGIN
  IF first < date '2000-01-01' OR first > current_date + 62 OR to_regclass('privacy.' || name) IS NOT NULL THEN
    RETURN;
  END IF;
  EXECUTE format('CREATE TABLE privacy.%I PARTITION OF privacy.accesses FOR VALUES FROM (%L) TO (%L)',
    name, first::timestamp AT TIME ZONE 'UTC', (first + interval '1 month')::timestamp AT TIME ZONE 'UTC');
EXCEPTION WHEN duplicate_table OR check_violation THEN
  NULL;
END $$;
CREATE FUNCTION privacy.drop_months(parent text, before timestamptz) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  month record;
  rows bigint;
  total bigint := 0;
  moment text := CASE parent WHEN 'serving.predictions' THEN 'predicted_at' ELSE 'accessed_at' END;
BEGIN
  IF parent NOT IN ('serving.predictions', 'privacy.accesses') OR before > now() THEN
    RAISE EXCEPTION 'only predictions and accesses of the past are dropped';
  END IF;
  FOR month IN
    SELECT c.oid::regclass AS name,
      to_date(right(c.relname, 7), 'YYYY_MM')::timestamp AT TIME ZONE 'UTC' + interval '1 month' AS ended
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = parent::regclass AND c.relname ~ '_[0-9]{4}_[0-9]{2}$'
  LOOP
    CONTINUE WHEN month.ended > before;
    EXECUTE format('SELECT count(*) FROM %s', month.name) INTO rows;
    EXECUTE format('DROP TABLE %s', month.name);
    total := total + rows;
  END LOOP;
  EXECUTE format('DELETE FROM %s_default WHERE %I < %L', parent, moment,
    date_trunc('month', before AT TIME ZONE 'UTC') AT TIME ZONE 'UTC');
  GET DIAGNOSTICS rows = ROW_COUNT;
  RETURN total + rows;
END $$;
REVOKE ALL ON FUNCTION privacy.ensure_month(date), privacy.drop_months(text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION privacy.ensure_month(date) TO readmission_serving;
GRANT EXECUTE ON FUNCTION privacy.drop_months(text, timestamptz) TO readmission_privacy;
"""

# Groups of fewer than ten patients are left out, so that no row of a view is about few people.
VIEWS = """
CREATE SCHEMA analyst;
CREATE VIEW analyst.batches AS
  SELECT batch_id, synthetic, rows_read, accepted, quarantined, duplicate, started, finished FROM raw.batches;
CREATE VIEW analyst.encounters WITH (security_barrier) AS
  WITH people AS (
    SELECT age, gender, coalesce(race, '?') AS race FROM clean.encounters
    GROUP BY 1, 2, 3 HAVING count(DISTINCT patient_nbr) >= 10)
  SELECT e.batch_id, e.split, e.age, e.gender, e.race, e.time_in_hospital, e.num_lab_procedures, e.num_procedures,
    e.num_medications, least(e.number_outpatient, 10) AS number_outpatient,
    least(e.number_emergency, 10) AS number_emergency, least(e.number_inpatient, 10) AS number_inpatient,
    e.number_diagnoses, e.diag_1_chapter, e.diag_2_chapter, e.diag_3_chapter, e.max_glu_serum, e."A1Cresult",
    e.insulin, e.change, e."diabetesMed", e.readmitted
  FROM clean.encounters e JOIN people p
    ON p.age = e.age AND p.gender = e.gender AND p.race = coalesce(e.race, '?');
CREATE VIEW analyst.outcomes WITH (security_barrier) AS
  SELECT batch_id, attribute, level, count(*) AS encounters, count(DISTINCT patient_nbr) AS patients,
    avg((readmitted = '<30')::int) AS readmitted_within_30_days, avg((readmitted = 'NO')::int) AS not_readmitted
  FROM clean.encounters, LATERAL (VALUES ('age', age), ('gender', gender), ('race', coalesce(race, '?')),
    ('medical_specialty', coalesce(medical_specialty, '?')), ('diag_1_chapter', coalesce(diag_1_chapter, '?')))
    v (attribute, level)
  GROUP BY 1, 2, 3 HAVING count(DISTINCT patient_nbr) >= 10;
CREATE VIEW analyst.predictions WITH (security_barrier) AS
  SELECT (predicted_at AT TIME ZONE 'UTC')::date AS day, model_name, model_version, variant, prediction,
    count(*) AS predictions, avg(p_early) AS mean_risk, avg(latency_ms) AS mean_latency_ms
  FROM serving.predictions GROUP BY 1, 2, 3, 4, 5 HAVING count(*) >= 10;
CREATE VIEW analyst.quality WITH (security_barrier) AS
  SELECT measured_on, model_version, source, slice, level, metric, n, coverage, value, low, high
  FROM monitoring.quality WHERE n >= 10 AND (positives = 0 OR positives >= 10);
CREATE VIEW analyst.drift AS
  SELECT r.report_id, r.subject, r.batch_id, r.model_version, r.rows, r.judged, r.measured_at, d.window_name,
    d.column_name, d.psi, d.psi_low, d.psi_high, d.drifted, d.missing_before, d.missing_now
  FROM monitoring.drift_reports r JOIN monitoring.drift d USING (report_id);
CREATE VIEW analyst.models AS
  SELECT run_id, family, first_batch, last_batch, synthetic, metrics, trained_at FROM training.experiments;
CREATE VIEW analyst.promotions AS
  SELECT id, decision, model_name, model_version, replaced_version, family, decided_at FROM training.promotions;
COMMENT ON SCHEMA analyst IS 'masked views: no identifiers, groups of fewer than ten patients left out';
"""

GRANTS = """
GRANT USAGE ON SCHEMA privacy TO readmission_privacy, readmission_ingest, readmission_process, readmission_serving,
  readmission_monitor;
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA privacy TO readmission_privacy;
GRANT SELECT ON privacy.tombstones TO readmission_ingest, readmission_process, readmission_serving;
GRANT INSERT ON privacy.accesses, privacy.accesses_default TO readmission_serving;
GRANT SELECT ON privacy.purges, privacy.erasures, privacy.erasure_steps, privacy.affected_models, privacy.reissues
  TO readmission_monitor;
GRANT SELECT (accessed_at) ON privacy.accesses TO readmission_monitor;

GRANT USAGE ON SCHEMA raw, clean, serving, training, monitoring TO readmission_privacy;
GRANT SELECT ON ALL TABLES IN SCHEMA raw, clean, serving TO readmission_privacy;
GRANT SELECT ON training.experiments, training.promotions, monitoring.drift_reports TO readmission_privacy;
GRANT DELETE ON raw.encounters, raw.quarantine, clean.encounters, serving.predictions, serving.feedback,
  serving.scores, monitoring.drift_reports TO readmission_privacy;
GRANT UPDATE ON raw.encounters TO readmission_privacy;
GRANT UPDATE (content) ON raw.quarantine TO readmission_privacy;
GRANT UPDATE (rows, snapshot, snapshot_sha256) ON clean.batches TO readmission_privacy;
GRANT INSERT ON monitoring.step_runs TO readmission_privacy;

GRANT USAGE ON SCHEMA analyst TO readmission_analyst;
GRANT SELECT ON ALL TABLES IN SCHEMA analyst TO readmission_analyst;
"""


def upgrade() -> None:
    """Create schemas, tables, functions, views and grants."""
    op.execute(TABLES)
    op.execute(FUNCTIONS)
    op.execute(VIEWS)
    op.execute(GRANTS)


def downgrade() -> None:
    """Refuse: there is no way back but a backup."""
    raise NotImplementedError("migrations go forward only; restore a backup to go back")
