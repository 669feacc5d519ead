"""A stock BentoML service as its documentation shows it: the sklearn Pipeline behind an API method."""

from typing import Any

import bentoml
import mlflow
import pandas as pd

from readmission import contract, settings

NUMBERS = {c.name: "float64" for c in contract.FEATURE_COLUMNS if c.is_number}


@bentoml.service(workers=settings.load_settings().api.workers)
class Stock:
    """Predict by the Pipeline."""

    def __init__(self) -> None:
        self.model = mlflow.sklearn.load_model(str(settings.load_settings().home / "pyfunc"))

    @bentoml.api  # type: ignore[untyped-decorator]
    def predict(self, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Answer one encounter or many."""
        probabilities = self.model.predict_proba(pd.DataFrame(records).astype(NUMBERS))
        return [
            {
                "prediction": contract.CLASSES[row.argmax()],
                "probabilities": dict(zip(contract.CLASSES, row, strict=True)),
            }
            for row in probabilities
        ]
