"""Journal of what clients asked and were answered, and the count of what the database has of it.

Counted as Jepsen counts a set: a request is acknowledged (200), refused (any other answer) or indeterminate (no
answer). Each has a request id of its own. An acknowledged one must be stored exactly once; an indeterminate one may be
stored or not.
"""

import json
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request and how it ended.

    Attributes:
        name: Its request id.
        began, ended: Monotonic seconds.
        status: HTTP status. If omitted, there was no answer.
        sentence: What the client was told instead of a prediction.
        answer: Number of the record, version and probabilities, if it was answered.
    """

    name: str
    began: float
    ended: float
    status: int | None
    sentence: str = ""
    answer: tuple[int, str, str] | None = None

    @property
    def acknowledged(self) -> bool:
        """Whether the prediction was answered."""
        return self.status == 200


@dataclass(frozen=True, kw_only=True)
class Count:
    """Acknowledged predictions in the database.

    Attributes:
        lost: Names that are missing.
        repeated: Names that are there more than once.
        recovered: Number of indeterminate requests that are there.
    """

    acknowledged: int
    lost: list[str]
    repeated: list[str]
    recovered: int


@dataclass
class Journal:
    """Every request of some clients; they may write at the same time."""

    requests: list[Request] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, request: Request) -> None:
        """Add a request."""
        with self._lock:
            self.requests.append(request)

    def acknowledged(self) -> list[Request]:
        """Return the requests that were answered with a prediction."""
        return [request for request in self.requests if request.acknowledged]

    def count(self, stored: Mapping[str, int]) -> Count:
        """Compare with the database.

        Args:
            stored: Number of rows by request id.
        """
        names = [request.name for request in self.acknowledged()]
        indeterminate = [request.name for request in self.requests if request.status is None]
        return Count(
            acknowledged=len(names),
            lost=[name for name in names if not stored.get(name)],
            repeated=[name for name, rows in stored.items() if rows > 1],
            recovered=sum(name in stored for name in indeterminate),
        )

    def failing_seconds(self) -> float:
        """Return for how long answers failed: from the start of a failed request to the next answer, added up."""
        total, failing_since = 0.0, None
        for request in sorted(self.requests, key=lambda r: r.ended):
            if request.acknowledged:
                if failing_since is not None:
                    total += request.ended - failing_since
                failing_since = None
            elif failing_since is None:
                failing_since = request.began
        if failing_since is not None:
            total += max(request.ended for request in self.requests) - failing_since
        return total

    def saw(self) -> str:
        """Say what the clients saw, the most frequent sentences first."""
        if not self.requests:
            return "no request was sent"
        failures = Counter(
            request.sentence if request.status is None else f"{request.status} {request.sentence}".strip()
            for request in self.requests
            if not request.acknowledged
        )
        if not failures:
            return f"nothing: all {len(self.requests):,} requests were answered"
        parts = [f"{count:,} × “{sentence}”" for sentence, count in failures.most_common(3)]
        return f"{len(self.acknowledged()):,} answers; {', '.join(parts)}"

    def versions(self) -> set[str]:
        """Return the versions of the model that answered."""
        return {request.answer[1] for request in self.requests if request.answer}

    def wrong(self, expected: Mapping[tuple[int, str], str]) -> list[str]:
        """Return the names of answers whose probabilities are not those of their record and version.

        Args:
            expected: Probabilities by record and version, as an undisturbed system answered.
        """
        return [
            request.name
            for request in self.requests
            if request.answer and expected.get(request.answer[:2]) != request.answer[2]
        ]


def sentence_of(body: bytes) -> str:
    """Return the error of an answer, or its first words."""
    try:
        return str(json.loads(body)["error"])[:100]
    except (ValueError, KeyError, TypeError):
        return body[:60].decode(errors="replace")
