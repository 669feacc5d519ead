"""Answers of more than one route, of the routes for operators and of /feedback, as types."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from readmission.contract.risk import GroupDoubt, OperatingPoint, RiskBand
from readmission.scorer.manifest import Engine, Parity
from serving.predict.encounter import Problem
from serving.predict.worker_status import WorkerStatus


class Failed(msgspec.Struct, frozen=True):
    """Problems of one record, by its position in the request."""

    index: int
    errors: Sequence[Problem]


class Status(msgspec.Struct):
    """State in one word or sentence."""

    status: str


class Health(msgspec.Struct, kw_only=True, omit_defaults=True):
    """State of each part of one worker."""

    status: Annotated[str, Meta(description="ok, degraded, draining or no model.")]
    model: Annotated[str, Meta(description="loaded or none.")]
    registry: Annotated[str, Meta(description="ok, or why the registry could not be read.")]
    prediction_log: Annotated[str, Meta(description="ok, off, full or dropping.")]
    keys: Annotated[str, Meta(description="What is wrong with the file of keys.")] = ""
    problem: Annotated[str, Meta(description="Why the version that is wanted is not served.")] = ""


class ModelDescription(msgspec.Struct, kw_only=True):
    """One model version that answers."""

    model_name: str
    model_version: str
    family: str
    engine: Annotated[Engine, Meta(description="What computes the probabilities.")]
    trees: int
    synthetic: Annotated[bool, Meta(description="Whether it was trained on invented data.")]
    metrics: Mapping[str, float]
    classes: Sequence[str]
    contract_version: int
    run_id: str
    compiled_at: str
    loaded_at: str
    parity: Annotated[Parity, Meta(description="How near the served model is to its Pipeline.")]
    history: Mapping[str, int]
    risk_bands: Sequence[RiskBand]
    prevalence: float | None
    operating_points: Sequence[OperatingPoint]
    gates: Sequence[Mapping[str, str | float | bool | None]]
    doubts: Annotated[
        Sequence[GroupDoubt], Meta(description="Groups of people whose estimates a reader should doubt, and why.")
    ]


class Registry(msgspec.Struct):
    """What the last poll of the registry gave."""

    state: str
    checked_at: str


class ModelInfo(ModelDescription, kw_only=True):
    """The champion, the challenger, and what every worker of this replica serves."""

    champion_wanted: str
    challenger: ModelDescription | None
    workers: Sequence[WorkerStatus]
    registry: Registry
    problem: str


class Recorded(msgspec.Struct):
    """Fate of one outcome."""

    status: Annotated[str, Meta(description="recorded or pending.")]


class RecordedMany(msgspec.Struct):
    """Fate of many outcomes."""

    recorded: int
    pending: int
    unknown: int
    errors: Sequence[Failed]
