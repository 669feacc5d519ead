"""Answer one encounter."""

import asyncio
from collections import Counter
from functools import partial
from time import perf_counter
from typing import Any

import msgspec

from readmission import contract, tracing
from readmission.contract import CLASSES, EXCLUDED_DISPOSITIONS
from readmission.scorer import Probabilities
from serving import http
from serving.http import Refused
from serving.metrics import Metrics
from serving.predict import batches, encounter
from serving.predict.batches import Scored
from serving.predict.encounter import Values
from serving.predict.loaded_models import Models, Served
from serving.prediction_log.entries import Block, Entry
from serving.prediction_log.ids import Ids
from serving.prediction_log.spool import PredictionLog

_DISPOSITION = contract.FEATURE_NAMES.index("discharge_disposition_id")
#: What an answer says of a patient who cannot be readmitted.
EXCLUDED = (
    "discharge_disposition_id is death or hospice: readmission is impossible or not meant; such encounters "
    "were left out of training and the probabilities do not apply"
)


class Shares(
    msgspec.Struct, gc=False, rename={"no": CLASSES[0], "late": CLASSES[1], "early": CLASSES[2]}
):  # fmt: skip
    """Hold the three probabilities under the names of the classes."""

    no: float
    late: float
    early: float


class Answer(msgspec.Struct, omit_defaults=True, gc=False):
    """Answer one encounter; the fields are those of docs/api.md."""

    prediction_id: str
    prediction: str
    probabilities: Shares
    readmission_risk_30d: float
    risk_band: str
    model_name: str
    model_version: str
    missing: list[str]
    timestamp: str
    notes: list[str] | None = None


encode = msgspec.json.Encoder().encode


_LOG_FULL = http.sentence(503, "the prediction log is full: no answer without a record", (b"retry-after", b"30"))


class Unavailable(Exception):  # noqa: N818 - an answer (503), not a failure
    """Say why no prediction can be made now."""


class Predictor:
    """Score decoded encounters and keep the books: metrics, log, ids.

    Args:
        models: of this worker.
        metrics: of this worker.
        log: where every answer goes; None: nowhere.
        shadow: the challenger answers too, to the log only.
        wait_for_disk: an answer is sent after it is on disk.
        refuse_when_full: no answer when the log has no room.
    """

    def __init__(
        self,
        models: Models,
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

    def choose(self, values: Values, request_id: bytes, body: bytes) -> tuple[Served, str]:
        """Return the model for this encounter and its role; a canary's share by patient, request id or body.

        Raises:
            Unavailable: no model is loaded.
        """
        models = self.models
        if models.challenger is not None and not self.shadow:
            patient = values[encounter.PATIENT]
            model, variant = models.route(str(patient).encode() if patient else request_id or body)
        else:
            model, variant = models.champion, "champion"
        return model or self.champion, variant

    @property
    def champion(self) -> Served:
        """Return the champion.

        Raises:
            Unavailable: no model is loaded.
        """
        if self.models.champion is None:
            raise Unavailable("no model is loaded yet: train and promote one, or wait for the registry")
        return self.models.champion

    async def settle(self) -> None:
        """Wait until what was answered is on disk, where that is wanted.

        Raises:
            Refused: the log has no room, and no answer may be without a record.
        """
        if self.log is None or not (self.wait_for_disk or self.refuse_when_full):
            return
        kept = not self.log.full
        if kept and self.wait_for_disk:
            loop = asyncio.get_running_loop()
            synced: asyncio.Future[bool] = loop.create_future()
            self.log.on_disk(partial(_from_thread, loop, synced))
            kept = await synced
        if not kept and self.refuse_when_full:
            raise Refused(_LOG_FULL, "log")

    def answer(
        self, body: bytes, values: Values, found: Probabilities, model: Served, variant: str,
        request_id: bytes, started: float,
    ) -> Answer:  # fmt: skip
        """Write one result down and return it as an answer.

        Args:
            body: the request's JSON object.
            values: the same, decoded.
            found: its probabilities.
            model: who gave them.
            variant: ``champion`` or ``challenger``.
            request_id: the client's or ours; empty: the prediction's.
            started: when the request began (`perf_counter`).
        """
        absent = encounter.missing(values)
        no, late, early = found
        position = 0 if no >= late and no >= early else 1 if late >= early else 2
        ids = self.ids
        moment = ids.tick()
        prediction_id = ids.one()
        self.metrics.scored(model.version, variant, position, early, absent)
        if self.log is not None:
            self.log.append(
                Entry(
                    prediction_id, moment, model.name, model.version, variant, body, found,
                    perf_counter() - started, request_id.decode("ascii") or prediction_id,
                )
            )  # fmt: skip
        return Answer(
            prediction_id, CLASSES[position], Shares(no, late, early), early, model.band(early), model.name,
            model.version,
            absent, ids.stamp, [EXCLUDED] if values[_DISPOSITION] in EXCLUDED_DISPOSITIONS else None,
        )  # fmt: skip

    def book(self, scored: Scored, model: Served, request_id: bytes, started: float) -> list[str]:
        """Write many results down; return the ids of the predictions. The latency of each is that of all."""
        ids = self.ids
        moment = ids.tick()
        made = ids.many(len(scored.inputs))
        tracing.count(rows=len(made))
        lacking = Counter(
            {tuple(batches.names(mask)): n for mask, n in Counter(scored.absent.tolist()).items() if mask}
        )
        self.metrics.scored_many(model.version, scored.positions, scored.shares[:, -1], lacking)
        if self.log is not None and made:
            block = Block(
                made, moment, model.name, model.version, "champion", b"[" + b",".join(scored.inputs) + b"]",
                scored.shares.astype("<f8").tobytes(), perf_counter() - started, request_id.decode("ascii"),
            )  # fmt: skip
            self.log.append(block, len(made))
        return made

    def one(self, body: bytes, request_id: bytes, started: float) -> Answer | tuple[Values, Served, str]:
        """Answer one request, or return what a thread has to score because the model is slow.

        Raises:
            Invalid: the encounter is not of the contract.
            Unavailable: no model is loaded.
        """
        values = encounter.decode(body)
        model, variant = self.choose(values, request_id, body)
        if not model.inline:
            return values, model, variant
        return self.answer(body, values, model.scorer.score(values), model, variant, request_id, started)

    def in_shadow(self, body: bytes, prediction_id: str) -> None:
        """Let the challenger answer the same request, to the log and the metrics only."""
        model = self.models.challenger
        if model is None or not model.inline:
            return
        started = perf_counter()
        values = encounter.decode(body)
        found: Any = model.scorer.score(values)
        self.answer(body, values, found, model, "shadow", prediction_id.encode(), started)


def _from_thread(loop: asyncio.AbstractEventLoop, synced: "asyncio.Future[bool]", done: bool) -> None:
    loop.call_soon_threadsafe(_resolve, synced, done)


def _resolve(synced: "asyncio.Future[bool]", done: bool) -> None:
    if not synced.done():
        synced.set_result(done)
