"""The usual service of a course: FastAPI, the model loaded by MLflow, a one-row DataFrame a request."""

import mlflow
import pandas as pd
from fastapi import FastAPI

from bench.serving.apps.schema import Answer, Encounter
from readmission import contract, settings

app = FastAPI()
model = mlflow.pyfunc.load_model(str(settings.load_settings().home / "pyfunc"))
NUMBERS = {c.name: "float64" for c in contract.FEATURE_COLUMNS if c.is_number}


@app.post("/predict")
def predict(record: Encounter) -> Answer:
    """Answer one encounter."""
    return _answers(pd.DataFrame([record.model_dump(by_alias=True)]))[0]


@app.post("/predict_batch")
def predict_batch(records: list[Encounter]) -> list[Answer]:
    """Answer many."""
    return _answers(pd.DataFrame([record.model_dump(by_alias=True) for record in records]))


def _answers(frame: pd.DataFrame) -> list[Answer]:
    probabilities = model.predict(frame.astype(NUMBERS))
    return [
        Answer(prediction=contract.CLASSES[row.argmax()], probabilities=dict(zip(contract.CLASSES, row, strict=True)))
        for row in probabilities
    ]
