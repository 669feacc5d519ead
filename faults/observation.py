"""Record of one fault, what was observed when it happened, and the table of all of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any


class SkippedError(Exception):
    """A fault cannot be injected on this machine; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault.

    Attributes:
        name: What happens, as the table calls it.
        inject: Injects it into a running site and returns what was observed.
        quick: Whether it is one of the few that CI injects.
        last: Whether it replaces the system's data, so that the other faults come before it.
    """

    name: str
    inject: Callable[[Any], "Observation"]
    quick: bool = False
    last: bool = False


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What one fault did.

    Attributes:
        lost: What was lost, with the number it is counted among, such as "0 of 5,230 predictions".
        failing: Seconds in which answers failed. If omitted, the fault does not concern answers.
        saw: What the user saw.
        problems: What must not be, each a sentence: any of them fails the run.
    """

    lost: str
    saw: str
    failing: float | None = None
    problems: tuple[str, ...] = ()

    def adding(self, problems: Sequence[str] = (), *, saw: str = "", lost: str = "") -> "Observation":
        """Return a copy with more problems, and with another account of what was seen or lost."""
        return replace(self, problems=(*self.problems, *problems), saw=saw or self.saw, lost=lost or self.lost)


@dataclass(kw_only=True)
class Table:
    """All faults of a run, in the order they were injected."""

    rows: list[tuple[str, str, str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def add(self, name: str, observation: Observation) -> None:
        """Add what a fault did."""
        failing = "—" if observation.failing is None else f"{observation.failing:.1f} s"
        self.rows.append((name, observation.lost, failing, observation.saw))
        self.problems += [f"{name}: {problem}" for problem in observation.problems]

    def skip(self, name: str, reason: str) -> None:
        """Add a fault that could not be injected."""
        self.rows.append((name, "SKIPPED", "—", reason))
        self.skipped.append(f"{name}: {reason}")

    def render(self) -> str:
        """Return the table in Markdown, then every problem and every skipped fault, then the verdict."""
        heads = ("fault", "lost", "answers failed for", "what the user saw")
        lines = [_row(heads), "|---|---|---:|---|", *map(_row, self.rows), ""]
        lines += [f"LOST     {problem}" for problem in self.problems]
        lines += [f"SKIPPED  {reason}" for reason in self.skipped]
        injected = len(self.rows) - len(self.skipped)
        verdict = "nothing was lost" if not self.problems else f"{len(self.problems)} problems"
        return "\n".join([*lines, f"{injected} faults injected, {len(self.skipped)} skipped: {verdict}."])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
