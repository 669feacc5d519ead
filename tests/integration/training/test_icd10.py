"""A site's own data in ICD-10-CM, from its file to a promoted model that answers ICD-10-CM."""

from pathlib import Path
from random import Random

import mlflow
from mlflow.tracking import MlflowClient

from readmission import scorer
from readmission.contract import icd
from readmission.registry import tracking
from readmission.settings import Settings
from readmission.steps import promote, train
from tests.integration.data.tools import as_csv, rows_of
from tests.integration.training.conftest import clean, query

CODES = ("I50.9", "E1165", "E878", "N18.6", "J44.9", "I21.4", "A41.9", "E11.9")


def test_a_sites_own_codes_train_a_model_that_is_promoted(system: Settings, sample: Path, tmp_path: Path) -> None:
    rows, random = rows_of(sample, 1000), Random(7)
    for row in rows:
        row |= {"diag_1": random.choice(CODES), "diag_2": random.choice(CODES), "diag_3": "?"}
    path = tmp_path / "site.csv"
    path.write_bytes(as_csv(rows))
    config = clean(system.replace(icd="10cm"), path, 1)
    assert query(config, "SELECT DISTINCT icd FROM raw.batches") == [("10cm",)]
    run = train.run(config, families="logistic_regression")["logistic_regression"]
    assert query(config, "SELECT icd FROM training.runs") == [("10cm",)]
    version = promote.run(config)
    client = MlflowClient(config.mlflow.tracking_uri)
    champion = tracking.champion(client, config)
    assert champion is not None and str(champion.version) == version
    assert "ICD-10CM" in mlflow.artifacts.load_text(f"runs:/{run}/model_card.md")
    client.download_artifacts(run, "serving", str(tmp_path))
    served = scorer.load(tmp_path / "serving", keys=None)
    assert served.manifest.icd == ("10cm",)
    assert all(icd.refusal(code, "10cm") is None for code in CODES)
