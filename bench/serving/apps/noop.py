"""FastAPI with pydantic and no model at all: validate one encounter, answer a constant."""

from fastapi import FastAPI

from bench.serving.apps.schema import Answer, Encounter

app = FastAPI()
CONSTANT = Answer(prediction="NO", probabilities={"NO": 0.6, ">30": 0.3, "<30": 0.1})


@app.post("/predict")
async def predict(record: Encounter) -> Answer:
    """Answer the same to everything."""
    return CONSTANT
