"""Expected quality of the champion on encounters whose outcomes are not known yet: monitoring.expected_quality."""

import logging

import numpy as np

from readmission.evaluation import expected
from readmission.monitoring import windows
from readmission.monitoring.records import ServedModel
from readmission.monitoring.traffic import NOT_PATIENTS
from readmission.settings import Settings
from readmission.stores import postgres

log = logging.getLogger(__name__)

#: Encounters below which nothing is expected, and above which a sample is read.
LEAST, MOST = 100, 20_000

_SOURCES = {
    "predictions": """
SELECT p_no, p_late, p_early FROM serving.predictions
WHERE model_name = %(model_name)s AND model_version = %(version)s AND request_id NOT LIKE ALL (%(not_patients)s)
  AND predicted_at > now() - make_interval(days => %(span)s)
ORDER BY hashtextextended(prediction_id::text, 0) LIMIT %(most)s
""",
    "scores": """
SELECT p_no, p_late, p_early FROM serving.scores s JOIN clean.encounters c USING (encounter_id)
WHERE s.model_name = %(model_name)s AND s.model_version = %(version)s AND c.batch_id > %(last_batch)s
ORDER BY hashint8extended(encounter_id, 0) LIMIT %(most)s
""",
}
_INSERT = """
INSERT INTO monitoring.expected_quality (measured_on, model_version, source, metric, n, value, low, high)
VALUES (now()::date, %(version)s, %(source)s, %(metric)s, %(n)s, %(value)s, %(low)s, %(high)s)
ON CONFLICT (measured_on, model_version, source, metric) DO UPDATE
SET n = excluded.n, value = excluded.value, low = excluded.low, high = excluded.high, measured_at = now()
"""


def keep(settings: Settings, champion: ServedModel) -> list[str]:
    """Store what today's risks of the champion promise, by source; the figures of a day replace earlier ones.

    Args:
        settings: Database, and the seed of the draws.
        champion: Model that serves.

    Returns:
        Sources with enough encounters: `predictions` of the last days, `scores` of batches after its training.
    """
    arguments = {
        "model_name": settings.mlflow.model_name,
        "version": champion.version,
        "last_batch": champion.last_batch if champion.last_batch is not None else 2**31 - 1,
        "not_patients": list(NOT_PATIENTS),
        "span": windows.SPAN,
        "most": MOST,
    }
    kept = []
    for source, query in _SOURCES.items():
        with postgres.transaction(settings, "monitor") as cursor:
            cursor.execute(query, arguments)
            probabilities = np.array(cursor.fetchall(), dtype=np.float64)
            if len(probabilities) < LEAST:
                continue
            # The database keeps four bytes of each probability: they must add up again.
            figures = expected.expect(probabilities / probabilities.sum(axis=1, keepdims=True), seed=settings.seed)
            for metric, interval in figures.items():
                if interval.value == interval.value:
                    row = {"version": champion.version, "source": source, "metric": metric, "n": len(probabilities)}
                    cursor.execute(_INSERT, row | vars(interval))
        log.info("version %s, %s: ROC-AUC %s expected", champion.version, source, figures["roc_auc_30"])
        kept.append(source)
    return kept
