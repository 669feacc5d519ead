"""Answers: the choice of a model, and the record that every answer leaves."""

from collections import Counter
from time import perf_counter

from readmission import contract, tracing
from readmission.contract import EXCLUDED_DISPOSITIONS
from readmission.scorer import Probabilities
from serving import http
from serving.edge.auth import CLIENT
from serving.http import Refused
from serving.metrics import Metrics
from serving.predict import batches, encounter
from serving.predict.answers import Answer, ClassProbabilities
from serving.predict.batches import ScoredBatch
from serving.predict.encounter import Aliased, Values
from serving.predict.loaded_models import LoadedModel, LoadedModels
from serving.prediction_log.entries import Block, Discharge, Entry
from serving.prediction_log.ids import Ids
from serving.prediction_log.spool import PredictionLog

_DISPOSITION = contract.FEATURE_NAMES.index("discharge_disposition_id")
#: Note in the answer for a patient who cannot be readmitted.
EXCLUDED = (
    "discharge_disposition_id is death or hospice: readmission is impossible or not meant; such encounters "
    "were left out of training and the probabilities do not apply"
)


_LOG_FULL = http.sentence(503, "the prediction log is full: no answer without a record", {"retry-after": "30"})


class Unavailable(Exception):  # noqa: N818 - an answer (503), not a failure
    """Reason why no prediction can be made now."""


class Predictor:
    """Models of one worker and the records of their answers: metrics, log, ids.

    Args:
        models: Models of this worker.
        metrics: Metrics of this worker.
        log: Log of all answers. If omitted, none is kept.
        shadow: Whether the challenger answers too, to the log only.
        wait_for_disk: Whether an answer is sent only after it is on disk.
        refuse_when_full: Whether requests are refused while the log has no room.
    """

    def __init__(
        self,
        models: LoadedModels,
        metrics: Metrics,
        log: PredictionLog | None,
        *,
        shadow: bool = False,
        wait_for_disk: bool = False,
        refuse_when_full: bool = False,
    ) -> None:
        self.models = models
        self.metrics = metrics
        self.log = log
        self.shadow = shadow
        self.wait_for_disk, self.refuse_when_full = wait_for_disk, refuse_when_full
        self.ids = Ids()

    def choose(self, values: Values, request_id: bytes, body: bytes) -> tuple[LoadedModel, str]:
        """Return the model for one encounter and its variant; a canary's share goes by patient, request id or body.

        Raises:
            Unavailable: No model is loaded.
        """
        models = self.models
        if models.challenger is not None and not self.shadow:
            patient = values[encounter.PATIENT]
            model, variant = models.route(str(patient).encode() if patient else request_id or body)
        else:
            model, variant = models.champion, "champion"
        return model or self.champion, variant

    @property
    def champion(self) -> LoadedModel:
        """Return the champion.

        Raises:
            Unavailable: No model is loaded.
        """
        if self.models.champion is None:
            raise Unavailable("no model is loaded yet: train and promote one, or wait for the registry")
        return self.models.champion

    async def settle(self) -> None:
        """Wait until the answers so far are on disk, if the settings ask for it.

        Raises:
            Refused: The log has no room, and the settings allow no answer without a record.
        """
        if self.log is None or not (self.wait_for_disk or self.refuse_when_full):
            return
        kept = not self.log.full
        if kept and self.wait_for_disk:
            kept = await self.log.synced()
        if not kept and self.refuse_when_full:
            raise Refused(_LOG_FULL, "log")

    def record(
        self,
        body: bytes,
        values: Values,
        probabilities: Probabilities,
        model: LoadedModel,
        *,
        variant: str,
        request_id: bytes,
        started: float,
        discharge: Discharge | None = None,
    ) -> Answer:
        """Count and log one result, and return it as an answer.

        More than 40 lines, because it runs once a prediction: two records are filled, and a further call is not free.

        Args:
            body: The request's JSON object.
            values: The same, decoded.
            probabilities: In the order of `contract.CLASSES`.
            model: The model that gave them.
            variant: ``champion``, ``challenger`` or ``shadow``.
            request_id: The client's; empty means the prediction's id.
            started: When the request began (`perf_counter`).
            discharge: What a record system says of the patient, if one asked.
        """
        absent = encounter.missing(values)
        notes = [EXCLUDED] if values[_DISPOSITION] in EXCLUDED_DISPOSITIONS else None
        if isinstance(values, Aliased):
            # The log holds the contract's own values, as its readers expect.
            body, notes = values.body, [*(notes or ()), *values.notes]
        prediction = contract.most_probable(probabilities)
        no, late, early = probabilities
        ids = self.ids
        moment = ids.tick()
        prediction_id = ids.new()
        self.metrics.scored(model.version, variant, prediction, early, absent)
        if self.log is not None:
            entry = Entry(
                prediction_id=prediction_id,
                moment=moment,
                model=model.name,
                version=model.version,
                variant=variant,
                inputs=body,
                probabilities=probabilities,
                latency=perf_counter() - started,
                request_id=request_id.decode("ascii") or prediction_id,
                discharge=discharge,
                client=CLIENT.get(),
            )
            self.log.append(entry)
        return Answer(
            prediction_id=prediction_id,
            prediction=prediction,
            probabilities=ClassProbabilities(no, late, early),
            readmission_risk_30d=early,
            risk_band=model.band(early),
            model_name=model.name,
            model_version=model.version,
            missing=absent,
            timestamp=ids.stamp,
            notes=notes,
        )

    def record_access(self, body: bytes, values: Values, model: LoadedModel, request_id: bytes, route: str) -> None:
        """Log that somebody asked about an encounter without a prediction."""
        if self.log is None or values[encounter.PATIENT] is None:
            return
        moment, access_id = self.ids.tick(), self.ids.new()
        entry = Entry(
            prediction_id=access_id,
            moment=moment,
            model=model.name,
            version=model.version,
            variant="champion",
            inputs=values.body if isinstance(values, Aliased) else body,
            probabilities=(0.0, 0.0, 0.0),
            latency=0.0,
            request_id=request_id.decode("ascii") or access_id,
            client=CLIENT.get(),
            route=route,
        )
        self.log.append(entry)

    def record_batch(self, scored: ScoredBatch, model: LoadedModel, request_id: bytes, started: float) -> list[str]:
        """Count and log many results; return the ids of the predictions. The latency of each is that of all."""
        ids = self.ids
        moment = ids.tick()
        prediction_ids = ids.many(len(scored.inputs))
        tracing.count(rows=len(prediction_ids))
        absent = Counter({tuple(batches.names(mask)): n for mask, n in Counter(scored.absent.tolist()).items() if mask})
        self.metrics.scored_many(model.version, scored.positions, scored.shares[:, -1], absent)
        if self.log is not None and prediction_ids:
            block = Block(
                prediction_ids=prediction_ids,
                moment=moment,
                model=model.name,
                version=model.version,
                variant="champion",
                inputs=b"[" + b",".join(scored.inputs) + b"]",
                probabilities=scored.shares.astype("<f8").tobytes(),
                latency=perf_counter() - started,
                request_id=request_id.decode("ascii"),
                client=CLIENT.get(),
            )
            self.log.append(block, len(prediction_ids))
        return prediction_ids

    def in_shadow(self, body: bytes, prediction_id: str) -> None:
        """Score the same request with the challenger, for the log and the metrics only."""
        model = self.models.challenger
        if model is None or not model.inline:
            return
        started = perf_counter()
        values = encounter.decode(body)
        self.record(
            body,
            values,
            model.scorer.score(values),
            model,
            variant="shadow",
            request_id=prediction_id.encode(),
            started=started,
        )
