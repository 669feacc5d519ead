"""A caller inside the cluster that asks without pause, and the count of what it was answered and what is stored."""

import contextlib
import json
import threading
from ast import literal_eval
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from cluster import ProofError, kubectl, until
from install import batches, sql

from readmission import contract

#: Seconds of answers that a pod may take along that is killed at once: it stores what it has within that time.
UNSTORED = 3.0
#: Pause between two requests, in seconds.
_PAUSE = 0.05
_PROGRAM = """
import json, os, sys, time, urllib.request
body, bad, gap, last, ids = sys.argv[1].encode(), 0, 0.0, time.monotonic(), []
end = last + 600
while time.monotonic() < end and not os.path.exists('/tmp/stop'):
    request = urllib.request.Request(
        'http://readmission-inference:8080/predict', body, {'content-type': 'application/json'}
    )
    try:
        ids.append(json.loads(urllib.request.urlopen(request, timeout=5).read())['prediction_id'])
        gap, last = max(gap, time.monotonic() - last), time.monotonic()
    except Exception:
        bad += 1
    time.sleep(float(sys.argv[2]))
print(json.dumps({'ids': ids, 'bad': bad, 'gap': max(gap, time.monotonic() - last)}))
"""


@dataclass(kw_only=True)
class Answers:
    """What a caller got.

    Attributes:
        ids: Prediction id of each answer.
        bad: Requests without an answer.
        gap: Longest time between two answers, in seconds.
    """

    ids: list[str] = field(default_factory=list)
    bad: int = 0
    gap: float = 0.0

    def __str__(self) -> str:
        return f"{len(self.ids)} predictions answered, {self.bad} not, longest pause {self.gap:.2f} s"


@contextlib.contextmanager
def asked_all_the_time(deployment: str = "readmission-demo") -> Iterator[Answers]:
    """Ask the Service for predictions from the demo's pod or another, without pause; what came is known at the end."""
    pod = ["-n", "readmission", "exec", f"deploy/{deployment}", "--"]
    kubectl(*pod, "rm", "-f", "/tmp/stop")
    output: list[str] = []
    command = [*pod, "python", "-c", _PROGRAM, json.dumps(dict(contract.EXAMPLE)), str(_PAUSE)]
    thread = threading.Thread(target=lambda: output.append(kubectl(*command)))
    thread.start()
    answers = Answers()
    try:
        yield answers
    finally:
        kubectl(*pod, "touch", "/tmp/stop")
        thread.join()
        for name, value in json.loads(output[0]).items() if output else ():
            setattr(answers, name, value)


def count(ids: Sequence[str]) -> int:
    """Count the predictions that the database has of those that were answered."""
    total = 0
    for start in range(0, len(ids), 500):
        listed = ", ".join(f"'{name}'" for name in ids[start : start + 500])
        total += literal_eval(sql(f"SELECT count(*) FROM serving.predictions WHERE prediction_id IN ({listed})"))[0][0]
    return total


def stored(ids: Sequence[str], lost: int = 0, seconds: float = 180) -> str:
    """Wait until the database has every prediction that was answered, but `lost` at most; say how many it has."""
    until(120, "the database's answer", batches)

    def complete() -> str:
        rows = count(ids)
        if len(set(ids)) != len(ids) or rows < len(ids) - lost:
            raise ProofError(f"{rows} of {len(ids)} predictions are stored, {len(set(ids))} of them different")
        return f"{rows} of {len(ids)} predictions stored"

    return until(seconds, "every prediction in the database", complete, pause=3)


def taken_along() -> int:
    """Return how many answers a pod that is killed at once may take along."""
    return round(UNSTORED / _PAUSE)
