"""Answers to record systems: resources in, one logged prediction, and what both doors (FHIR, CDS Hooks) make of it."""

import asyncio
from collections.abc import Mapping
from datetime import date
from time import perf_counter
from typing import Any

import msgspec

from readmission.contract import CLASSES
from readmission.fhir.assessment import Estimate
from readmission.fhir.mapping import IdentifierSystems, MappedEncounter, map_resources
from readmission.fhir.resources import Resources
from readmission.scorer import Attribution
from readmission.settings import Settings
from serving.edge.admission import Places
from serving.http import Refused
from serving.predict import encounter
from serving.predict.answers import Answer
from serving.predict.predictor import Predictor
from serving.prediction_log.entries import Discharge
from serving.routes.predict import Predict

#: Seconds that a card waits for what moved the estimate; a clinician waits for the card.
PATIENCE = 0.015
#: Cards that may wait for it at once; a further one is sent without.
PLACES = 4


class Clinical:
    """Predictions for record systems, made and logged as those of /predict.

    Args:
        predict: The lean route, whose line they share.
        predictor: Models and records of this worker.
        settings: Identifier systems and the API's URL.
    """

    def __init__(self, predict: Predict, predictor: Predictor, settings: Settings) -> None:
        self._predict, self._predictor = predict, predictor
        self._systems = IdentifierSystems(settings.clinic.patient_system, settings.clinic.encounter_system)
        self.url = settings.clinic.url.rstrip("/")
        self._places = Places(PLACES)
        self.max_body = settings.clinic.max_body

    def map(self, resources: Resources, patient_id: str = "", encounter_id: str = "") -> MappedEncounter:
        """Make one encounter of the resources.

        Raises:
            NotUsableError: They cannot be used.
        """
        today = date.today()
        return map_resources(resources, today, self._systems, patient_id=patient_id, encounter_id=encounter_id)

    async def admit(self) -> None:
        """Wait for a turn in the line of all predictions.

        Raises:
            Refused: The line is too long.
        """
        await self._predict.admit()

    async def estimate(self, mapped: MappedEncounter, source: str, request_id: bytes) -> Estimate:
        """Score an encounter and log the prediction.

        Args:
            mapped: The encounter.
            source: Name of the hook, or ``fhir``.
            request_id: The client's; empty if it sent none.

        Raises:
            Invalid: The encounter does not follow the contract.
            Unavailable: No model is loaded.
            Refused: The model is slow and too many requests wait for it, or the log is full.
        """
        discharge = Discharge(
            source=source,
            patient=mapped.patient,
            stay=mapped.stay,
            discharged_on=mapped.end.isoformat() if mapped.end else "",
            columns={name: list(columns) for name, columns in mapped.columns.items()},
        )
        body = msgspec.json.encode(mapped.record)
        answer = await self._predict.answer(body, request_id, perf_counter(), discharge)
        await self._predictor.settle()
        if self._predictor.shadow:
            self._predictor.in_shadow(body, answer.prediction_id)
        return self._as_estimate(answer)

    def _as_estimate(self, answer: Answer) -> Estimate:
        model = self._predictor.models.champion
        is_champion = model is not None and model.version == answer.model_version
        shares = answer.probabilities
        return Estimate(
            prediction_id=answer.prediction_id,
            made_at=answer.timestamp,
            probabilities=dict(zip(CLASSES, (shares.no, shares.late, shares.early), strict=True)),
            band=answer.risk_band,
            prevalence=model.scorer.manifest.prevalence if model is not None and is_champion else None,
            model=answer.model_name,
            version=answer.model_version,
            card_url=f"{self.url}/model-card" if self.url else "",
        )

    async def explain(self, record: Mapping[str, Any], version: str) -> Attribution | None:
        """Return what moved an estimate; None if the model cannot say, has been swapped, or takes too long."""
        models = self._predictor.models
        model = next((m for m in (models.champion, models.challenger) if m is not None and m.version == version), None)
        if model is None:
            return None
        values = encounter.decode(msgspec.json.encode(record))
        try:
            async with asyncio.timeout(PATIENCE):
                with self._places:
                    return await asyncio.to_thread(model.scorer.explain, values)
        except (TimeoutError, Refused):
            return None
