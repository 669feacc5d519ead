"""What privacy costs the hot route: the fields of the access log, and the pseudonym by which a patient is looked up.

Three forms of POST /predict answer the same requests in one process, in turns of a few hundred, each with its own
prediction log on disk: as it was before (numbers in the table of visits, no client and route in an entry), with the
access log, and with keyed visits too. Time is that of the processor, of the log's thread as well. Every request names a
patient who is known, the dearest case.
"""

import argparse
import asyncio
import io
import json
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import msgspec
import pandas as pd

from readmission import contract, models
from readmission.data import synthetic
from readmission.features import encoding, history
from readmission.features.visits import Visits
from readmission.pseudonyms import PatientKey
from readmission.scorer import compiler
from serving.edge.auth import ApiKeys
from serving.metrics import Metrics
from serving.predict import predictor
from serving.predict.loaded_models import LoadedModels
from serving.predict.predictor import Predictor
from serving.prediction_log.entries import Entry
from serving.prediction_log.spool import PredictionLog
from serving.routes.predict import Predict

#: Most that the access log may cost the route.
LIMIT = 0.03
_KEY = PatientKey("a key of the benchmark")
_TURN = 400


class EntryBefore(msgspec.Struct, array_like=True, kw_only=True, gc=False):
    """Entry of the prediction log before there was an access log."""

    prediction_id: str
    moment: int
    model: str
    version: str
    variant: str
    inputs: bytes
    probabilities: tuple[float, float, float]
    latency: float
    request_id: str
    discharge: Any = None


# A function each, so that both forms pay the call.
def _entry_before(*, client: str, **fields: Any) -> EntryBefore:
    return EntryBefore(**fields)


def _entry_now(*, client: str, **fields: Any) -> Entry:
    return Entry(client=client, **fields)


class Form:
    """One form of the route.

    Args:
        folder: State of the form.
        frame: Typed rows to train on.
        has_accesses: Whether an entry has the fields of the access log.
        key: Key of the visits. If omitted, they hold numbers.
    """

    def __init__(self, folder: Path, frame: pd.DataFrame, *, has_accesses: bool, key: PatientKey | None = None) -> None:
        folder.mkdir(parents=True)
        self._has_accesses = has_accesses
        version = folder / "models" / "1"
        fitted = models.build("lightgbm").fit(frame, encoding.target(frame))
        visits = history.pack(frame)
        compiler.compile_pipeline(
            fitted, version, family="lightgbm", sample=frame[:100], metrics={}, synthetic=True, visits=visits, key=key
        )
        (version.parent / "aliases.json").write_text(json.dumps({"champion": "1", "registry": "ok"}))
        loaded = LoadedModels(version.parent, "m", keys=[_KEY])
        loaded.refresh()
        self._log = PredictionLog(folder / "spool", 0.1, 1 << 30)
        route = Predictor(loaded, Metrics(folder), self._log)
        self._route = Predict(route, ApiKeys(None), max_body=1 << 20, max_waiting=100)
        self.seconds: list[float] = []

    async def turn(self, bodies: Sequence[bytes]) -> None:
        """Answer requests; add the processor's seconds for each."""
        own = {name: vars(predictor)[name] for name in ("Entry", "CLIENT")}
        vars(predictor)["Entry"] = _entry_now if self._has_accesses else _entry_before
        if not self._has_accesses:
            vars(predictor)["CLIENT"] = SimpleNamespace(get=str)  # the name of nobody
        began = time.process_time()
        for body in bodies:
            await self._route(_SCOPE, _receiver(body), _send)
        await self._log.synced()
        self.seconds.append((time.process_time() - began) / len(bodies))
        vars(predictor).update(own)

    def close(self) -> None:
        """End the log."""
        self._log.close()


_SCOPE: dict[str, Any] = {"type": "http", "method": "POST", "path": "/predict", "headers": [], "query_string": b""}


def _receiver(body: bytes) -> Any:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _send(message: Any) -> None:
    assert message.get("status", 200) == 200, message  # noqa: S101 - a benchmark of refusals would say nothing


def measure(folder: Path, rounds: int) -> dict[str, float]:
    """Return the processor's microseconds of a request by form, medians over the rounds, and the costs as shares."""
    content = io.BytesIO(synthetic.generate(2000, seed=7))
    raw = pd.read_csv(content, dtype=str, keep_default_na=False, skiprows=1)
    frame = history.add(encoding.typed_frame(raw[list(contract.COLUMN_NAMES)]))
    table = Visits(history.pack(frame))
    records = [{**contract.EXAMPLE, "patient_nbr": table.patient(i % table.patients)} for i in range(_TURN)]
    bodies = [json.dumps(record).encode() for record in records]
    forms = {
        "before": Form(folder / "before", frame, has_accesses=False),
        "access log": Form(folder / "accesses", frame, has_accesses=True),
        "access log and keyed visits": Form(folder / "keyed", frame, has_accesses=True, key=_KEY),
    }

    async def play() -> None:
        for _ in range(rounds):
            order = list(forms.values())
            random.shuffle(order)
            for form in order:
                await form.turn(bodies)

    asyncio.run(play())
    for form in forms.values():
        form.close()
    figures = {name: 1e6 * median(form.seconds[1:]) for name, form in forms.items()}
    names = list(forms)
    for name, before, after in zip(("access log", "keyed visits"), names, names[1:], strict=False):
        pairs = zip(forms[after].seconds[1:], forms[before].seconds[1:], strict=True)
        figures[f"cost of {name}"] = median(now / then for now, then in pairs) - 1
    return figures


def main(arguments: list[str]) -> int:
    """Print what privacy costs; return 1 if the access log costs more than its limit."""
    parser = argparse.ArgumentParser(prog="python -m bench privacy", description=__doc__)
    parser.add_argument("--rounds", type=int, default=61, help="Turns of each form. [61]")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as directory:
        figures = measure(Path(directory), options.rounds)
    for name, figure in figures.items():
        text = f"{100 * figure:+.1f} %" if name.startswith("cost") else f"{figure:.1f} us of CPU a request"
        sys.stdout.write(f"{name:<40} {text}\n")
    cost = figures["cost of access log"]
    sys.stdout.write(f"{'PASS' if cost <= LIMIT else 'FAIL'}: the access log costs at most {LIMIT:.0%}\n")
    return int(cost > LIMIT)
