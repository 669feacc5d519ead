"""What the audit tables answer."""

from readmission.registry import ledger
from readmission.settings import Settings
from readmission.stores import postgres


def trained(settings: Settings, family: str, last_batch: int) -> None:
    with postgres.transaction(settings, "train") as cursor:
        cursor.execute(
            "INSERT INTO training.experiments (run_id, family, first_batch, last_batch, data_sha256, synthetic, seed,"
            " git_sha, metrics) VALUES (%s, %s, 1, %s, %s, true, 7, 'x', '{}')",
            (f"{family}-{last_batch}", family, last_batch, f"sha of 1-{last_batch}"),
        )


def test_the_newest_batch_is_the_last_that_was_trained_on(database: Settings) -> None:
    assert ledger.newest_batch(database) is None
    trained(database, "lightgbm", 2)
    trained(database, "xgboost", 3)
    trained(database, "xgboost", 1)
    assert ledger.newest_batch(database) == 3
