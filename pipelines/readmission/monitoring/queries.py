"""Metrics that only the database knows, one query each; docs/metrics.md lists them.

The queries read the views of the schema `metrics` alone, in which nothing is of a patient: the exporter's role may read
no table. A query returns the values of the labels, then the number. Labels are bounded: the newest 20 batches, the newest 10
promotions, the columns of the contract. More than 250 lines, because it is one table with an entry a metric.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Query:
    """Metric that one query of the database gives.

    Attributes:
        name: Name in the exposition. That of a counter ends in `_total`.
        kind: Kind of metric.
        text: What the metric means, shown as its HELP line.
        labels: Names of the labels, which are the first columns of the query.
        sql: Query of rows (labels..., value). Rows without a value are left out. Its parameters are `model_name` and
            `champion`, the version that MLflow's alias names or None.
    """

    name: str
    kind: Literal["gauge", "counter"]
    text: str
    labels: tuple[str, ...]
    sql: str

    @property
    def needs_champion(self) -> bool:
        """Return whether the query can only run once the champion has been read from MLflow."""
        return "%(champion)s" in self.sql


def _gauge(name: str, text: str, labels: str, sql: str) -> Query:
    return Query(name=f"readmission_{name}", kind="gauge", text=text, labels=tuple(labels.split()), sql=sql)


def _counter(name: str, text: str, labels: str, sql: str) -> Query:
    return Query(name=f"readmission_{name}_total", kind="counter", text=text, labels=tuple(labels.split()), sql=sql)


#: The champion with the run of its promotion, and when the ledger last recorded it; a roll-back trains nothing.
_CHAMPION = (
    "SELECT c.model_version, p.run_id, p.family, d.decided_at FROM (SELECT %(champion)s AS model_version) c"
    " LEFT JOIN LATERAL (SELECT run_id, family FROM metrics.promotions t WHERE t.model_version = c.model_version"
    " AND t.model_name = %(model_name)s AND run_id IS NOT NULL ORDER BY id DESC LIMIT 1) p ON true"
    " LEFT JOIN LATERAL (SELECT decided_at FROM metrics.promotions t WHERE t.model_version = c.model_version"
    " AND t.model_name = %(model_name)s AND decision IN ('promoted', 'rolled back') ORDER BY id DESC LIMIT 1) d ON true"
    " WHERE c.model_version IS NOT NULL"
)
#: The version that the ledger recorded last.
_RECORDED = (
    "SELECT model_version FROM metrics.promotions WHERE model_name = %(model_name)s"
    " AND decision IN ('promoted', 'rolled back') ORDER BY id DESC LIMIT 1"
)
#: The newest report of each subject, with the name of the window that stands for it.
_REPORT = (
    "SELECT DISTINCT ON (subject) report_id, subject, alarm, judged, measured_at,"
    " CASE subject WHEN 'batch' THEN 'batch' ELSE (SELECT window_name FROM metrics.drift d"
    " WHERE d.report_id = r.report_id ORDER BY window_name NOT LIKE 'last %%', window_rows LIMIT 1) END AS window_name"
    " FROM metrics.drift_reports r ORDER BY subject, batch_id DESC NULLS LAST, measured_at DESC"
)
_DRIFT = f"FROM ({_REPORT}) r JOIN metrics.drift d USING (report_id, window_name)"
#: The newest figures of each model version and source.
_QUALITY = (
    "FROM metrics.quality q JOIN (SELECT model_version, source, max(measured_on) AS measured_on"
    " FROM metrics.quality GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 20) newest"
    " USING (model_version, source, measured_on)"
)
#: Where the view has scores by version, those that `purge` may drop (readmission/privacy/retention.py).
_OLDEST = (
    "SELECT place, extract(epoch FROM moment) FROM metrics.oldest_entries UNION ALL SELECT 'serving.scores',"
    " extract(epoch FROM min(moment)) FROM metrics.oldest_scores"
    f" WHERE model_name = %(model_name)s AND model_version IS DISTINCT FROM ({_RECORDED})"
)
_ROWS = "LATERAL (VALUES ('accepted', accepted), ('quarantined', quarantined), ('duplicate', duplicate)) v (result, n)"
#: Codes of the reasons on a card (serving/clinic/cards.py); a record system may send any other.
_REASONS = "('', 'follow-up-arranged', 'declined', 'not-indicated', 'data-wrong', 'disagree')"

QUERIES: tuple[Query, ...] = (
    _gauge(
        "champion_found_over_known_score",
        "How much more early readmissions the champion finds than a known score at equal alerts, lower bound.",
        "score",
        "SELECT substring(c ->> 'figure' FROM 'found_over_(.*)_low'), (c ->> 'value')::float8 FROM (SELECT reasons"
        " FROM metrics.promotions WHERE decision = 'promoted' AND model_name = %(model_name)s"
        " AND model_version = %(champion)s ORDER BY id DESC LIMIT 1) p, jsonb_array_elements(p.reasons) c"
        " WHERE c ->> 'figure' LIKE 'found_over_%%_low'",
    ),
    _gauge(
        "card_feedback",
        "Cards of CDS Hooks that clinicians accepted or overrode, by reason; never an outcome of a patient.",
        "model_version outcome reason",
        f"SELECT model_version, outcome, CASE WHEN reason IN {_REASONS} THEN reason ELSE 'other' END, sum(cards)"
        " FROM metrics.card_feedback WHERE model_version IN (SELECT model_version FROM metrics.card_feedback"
        " GROUP BY 1 ORDER BY max(last_at) DESC LIMIT 10) GROUP BY 1, 2, 3",
    ),
    _gauge(
        "batches",
        "Batches in a layer (raw, clean).",
        "layer",
        "SELECT 'raw', count(*) FROM metrics.batches UNION ALL SELECT 'clean', count(*) FROM metrics.snapshots WHERE rows > 0",
    ),
    _gauge(
        "batch_finished_timestamp_seconds",
        "When the newest batch of a layer was finished.",
        "layer",
        "SELECT 'raw', extract(epoch FROM max(finished)) FROM metrics.batches"
        " UNION ALL SELECT 'clean', extract(epoch FROM max(finished)) FROM metrics.snapshots WHERE rows > 0",
    ),
    _gauge(
        "batch_rows",
        "Rows of one of the newest 20 batches, by what became of them.",
        "batch result",
        f"SELECT b.batch_id::text, result, n FROM (SELECT * FROM metrics.batches ORDER BY batch_id DESC LIMIT 20) b, {_ROWS}",
    ),
    _gauge(
        "batch_duration_seconds",
        "Time to ingest one of the newest 20 batches.",
        "batch",
        "SELECT batch_id::text, extract(epoch FROM finished - started) FROM metrics.batches ORDER BY batch_id DESC LIMIT 20",
    ),
    _counter(
        "ingested_rows",
        "Rows read, by what became of them.",
        "result",
        f"SELECT result, sum(n) FROM metrics.batches, {_ROWS} GROUP BY 1",
    ),
    _gauge(
        "batch_quarantine_ratio",
        "Share of the newest batch that was quarantined.",
        "",
        "SELECT quarantined::float / greatest(rows_read, 1) FROM metrics.batches ORDER BY batch_id DESC LIMIT 1",
    ),
    _gauge(
        "batch_quarantine_reasons",
        "Quarantined values of the newest batch, by field and problem.",
        "field problem",
        "SELECT field, problem, problems FROM metrics.quarantine_reasons",
    ),
    _gauge(
        "clean_rows",
        "Encounters of the clean table by split.",
        "split",
        "SELECT split, rows FROM metrics.clean_rows",
    ),
    _gauge(
        "immature_outcomes",
        "Encounters of the clean table whose outcome is unknown, or cannot be known yet.",
        "",
        "SELECT coalesce(sum(immature), 0) FROM metrics.snapshots",
    ),
    _gauge(
        "champion_info",
        "1 for the version that MLflow's alias champion names.",
        "model_version family",
        f"SELECT model_version, coalesce(family, ''), 1 FROM ({_CHAMPION}) c",
    ),
    _gauge(
        "champion_disagreement",
        "1 when the alias champion is not the version that the ledger recorded last.",
        "",
        f"SELECT (coalesce(%(champion)s, '') <> coalesce(({_RECORDED}), ''))::int",
    ),
    _gauge(
        "champion_promoted_timestamp_seconds",
        "When the ledger last recorded the champion.",
        "",
        f"SELECT extract(epoch FROM decided_at) FROM ({_CHAMPION}) c",
    ),
    _gauge(
        "champion_batches_behind",
        "Clean batches that the champion was not trained on.",
        "",
        f"SELECT (SELECT count(*) FROM metrics.snapshots WHERE rows > 0 AND batch_id > e.last_batch) FROM ({_CHAMPION}) c"
        " JOIN metrics.runs e USING (run_id)",
    ),
    _gauge(
        "model_quality",
        "Test metrics of the newest 10 promoted versions, as of their promotion.",
        "model_version family metric",
        "SELECT DISTINCT ON (p.model_version, m.key) p.model_version, coalesce(p.family, ''), m.key, m.value::text::float"
        " FROM (SELECT * FROM metrics.promotions WHERE decision = 'promoted'"
        " AND model_name = %(model_name)s ORDER BY id DESC LIMIT 10) p"
        " JOIN metrics.runs e USING (run_id), jsonb_each(e.metrics) m"
        " WHERE m.key LIKE 'test\\_%%' AND jsonb_typeof(m.value) = 'number'",
    ),
    _counter(
        "promotions",
        "Decisions of the promotion gate.",
        "decision",
        "SELECT d, count(p.id) FROM unnest(ARRAY['promoted', 'refused', 'rolled back']) d"
        " LEFT JOIN metrics.promotions p ON p.decision = d AND p.model_name = %(model_name)s GROUP BY 1",
    ),
    _counter("experiments", "Trained models.", "family", "SELECT family, count(*) FROM metrics.runs GROUP BY 1"),
    _gauge(
        "drift_psi",
        "PSI of a column in the newest report of a subject (batch, predictions).",
        "subject column administrative",
        f"SELECT subject, column_name, administrative::text, psi {_DRIFT}",
    ),
    _gauge(
        "drift_unknown_ratio",
        "Share of unknown values in the newest report of a subject.",
        "subject column",
        f"SELECT subject, column_name, missing_now {_DRIFT} WHERE column_name <> 'score'",
    ),
    _gauge(
        "drift_absent_ratio",
        "Share of the newest predictions whose request leaves a column out.",
        "column",
        f"SELECT column_name, absent_now {_DRIFT} WHERE subject = 'predictions' AND column_name <> 'score'",
    ),
    _gauge(
        "drift_columns",
        "Clinical columns (and the score) that drifted in it.",
        "subject",
        f"SELECT subject, count(*) FILTER (WHERE drifted AND NOT administrative) {_DRIFT} GROUP BY 1",
    ),
    _gauge(
        "drift_alarm_columns",
        "Columns of its alarm: sustained drift; 0: none.",
        "subject",
        f"SELECT subject, cardinality(alarm) FROM ({_REPORT}) r",
    ),
    _gauge(
        "drift_measured_timestamp_seconds",
        "When it was measured.",
        "subject",
        f"SELECT subject, extract(epoch FROM measured_at) FROM ({_REPORT}) r",
    ),
    _gauge(
        "expected_quality",
        "Quality that the risks promise before outcomes are known: bound is value, low or high (95 %).",
        "model_version source metric bound",
        "SELECT model_version, source, metric, bound, v FROM metrics.expected_quality q"
        " JOIN (SELECT model_version, source, max(measured_on) AS measured_on FROM metrics.expected_quality"
        " GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 20) newest USING (model_version, source, measured_on),"
        " LATERAL (VALUES ('value', value), ('low', low), ('high', high)) b (bound, v)",
    ),
    _gauge(
        "live_quality",
        "Quality on known outcomes: bound is value, low or high (95 %).",
        "model_version source slice level metric bound",
        "SELECT model_version, source, slice, level, metric, bound, v"
        f" {_QUALITY}, LATERAL (VALUES ('value', value), ('low', low), ('high', high)) b (bound, v)",
    ),
    _gauge(
        "live_outcomes",
        "Predictions with a known outcome.",
        "model_version source",
        f"SELECT model_version, source, max(n) {_QUALITY} WHERE slice = 'all' GROUP BY 1, 2",
    ),
    _gauge(
        "live_outcomes_coverage_ratio",
        "Share of the mature predictions whose outcome is known.",
        "model_version source",
        f"SELECT model_version, source, max(coverage) {_QUALITY} WHERE slice = 'all' GROUP BY 1, 2",
    ),
    _counter(
        "retraining_decisions",
        "Decisions whether to retrain.",
        "retrain",
        "SELECT d, count(id) FROM unnest(ARRAY['true', 'false']) d"
        " LEFT JOIN metrics.decisions ON retrain::text = d GROUP BY 1",
    ),
    _gauge(
        "retraining_nothing_new",
        "1 when drift or live quality asks for a retraining that would give the same models again.",
        "",
        "SELECT nothing_new::int FROM metrics.decisions ORDER BY id DESC LIMIT 1",
    ),
    _counter(
        "step_runs",
        "Runs of a pipeline step by result.",
        "step result",
        "SELECT step, result, count(*) FROM metrics.step_runs GROUP BY 1, 2",
    ),
    _gauge(
        "step_last_success_timestamp_seconds",
        "When a step last ended well (nothing to do is well).",
        "step",
        "SELECT step, extract(epoch FROM max(finished)) FROM metrics.step_runs WHERE result <> 'failure' GROUP BY 1",
    ),
    _gauge(
        "step_duration_seconds",
        "How long the last run of a step with something to do took.",
        "step",
        "SELECT DISTINCT ON (step) step, extract(epoch FROM finished - started) FROM metrics.step_runs"
        " WHERE result <> 'nothing to do' ORDER BY step, finished DESC",
    ),
    _gauge(
        "step_failed",
        "1 when the last run of a step failed.",
        "step",
        "SELECT DISTINCT ON (step) step, (result = 'failure')::int FROM metrics.step_runs ORDER BY step, finished DESC",
    ),
    _gauge(
        "oldest_entry_timestamp_seconds",
        "Moment of the oldest entry of a place that has a retention.",
        "place",
        _OLDEST,
    ),
    _gauge(
        "retention_seconds",
        "How long the last purge kept the entries of a place.",
        "place",
        # Not of an earlier purge: a setting of 0 keeps for ever what had a retention before.
        "SELECT DISTINCT ON (place) place, keep_days * 86400 FROM metrics.purges"
        " WHERE purged_at > (SELECT max(purged_at) FROM metrics.purges) - interval '12 hours' ORDER BY place, id DESC",
    ),
    _counter(
        "purged_rows",
        "Rows dropped because of their age.",
        "place",
        "SELECT place, sum(dropped) FROM metrics.purges GROUP BY 1",
    ),
    _gauge("database_size_bytes", "Size of the database.", "", "SELECT pg_database_size(current_database())"),
    _gauge(
        "database_connections",
        "Open connections of the database.",
        "",
        "SELECT numbackends FROM pg_stat_database WHERE datname = current_database()",
    ),
    _gauge(
        "database_connections_limit",
        "Connections that the server allows.",
        "",
        "SELECT setting::int FROM pg_settings WHERE name = 'max_connections'",
    ),
    _counter(
        "database_transactions",
        "Transactions of the database.",
        "result",
        "SELECT result, n FROM pg_stat_database, (VALUES ('commit'), ('rollback')) v (result),"
        " LATERAL (SELECT CASE result WHEN 'commit' THEN xact_commit ELSE xact_rollback END AS n) x"
        " WHERE datname = current_database()",
    ),
    _counter(
        "database_deadlocks",
        "Deadlocks of the database.",
        "",
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()",
    ),
    _gauge(
        "database_cache_hit_ratio",
        "Share of blocks read from memory.",
        "",
        "SELECT blks_hit::float / nullif(blks_hit + blks_read, 0) FROM pg_stat_database"
        " WHERE datname = current_database()",
    ),
)
