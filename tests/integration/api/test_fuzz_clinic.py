"""Nothing that a record system sends is answered with a 5xx, and memory stays flat."""

import copy
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.clinic import hooks
from tests import fhir_stay
from tests.integration.api.fuzzing import JUNK, Request, as_spoilt_json, send
from tests.integration.api.record_system import request, resources, start_clinic, token
from tests.integration.api.tools import Api

REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "1500"))


@pytest.fixture(scope="module")
def api(compiled: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    running = start_clinic(tmp_path_factory.mktemp("fuzz"), compiled["lightgbm"])
    yield running
    assert running.stop() == 0


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every holder in a JSON value with each of its keys."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from places(value[key])


def broken(draw: random.Random, content: Any) -> bytes:
    """Return a request with some elements replaced, removed, repeated or swapped, and perhaps some bytes spoilt."""
    content = copy.deepcopy(content)
    spots = list(places(content))
    for _ in range(draw.choice((0, 1, 1, 2, 5))):
        holder, key = draw.choice(spots)
        try:
            match draw.randrange(4):
                case 0:
                    holder[key] = draw.choice(JUNK)
                case 1:
                    del holder[key]
                case 2 if isinstance(holder, list):
                    holder.append(copy.deepcopy(holder[key]))
                case _:
                    other, where = draw.choice(spots)
                    holder[key] = copy.deepcopy(other[where])
        except (KeyError, IndexError):
            continue  # an earlier change took it away
    return as_spoilt_json(draw, content)


def test_no_bundle_and_no_call_breaks_the_api(api: Api) -> None:
    draw = random.Random(7)
    bundle, call = fhir_stay.bundle(resources()), request()
    feedback = {"feedback": [{"card": "x", "outcome": "overridden", "outcomeTimestamp": "2026-11-20T08:00:00Z"}]}
    contents = {"/fhir/RiskAssessment": bundle, hooks.CALL: call, hooks.FEEDBACK: feedback}

    def spoilt() -> Request:
        path = draw.choice(list(contents))
        # Few wrong tokens, because each failed attempt is slowed down.
        bearer = token(aud=f"https://readmission.example.org{path}") if draw.random() < 0.99 else "x.y.z"
        headers = {"content-type": "application/json", "authorization": f"Bearer {bearer}"}
        return path, broken(draw, contents[path]), headers

    codes = send(api, REQUESTS, spoilt)
    assert codes[200] > REQUESTS / 20 and codes[400] > REQUESTS / 20 and codes[422] > REQUESTS / 100
