"""Check a candidate's figures against the gates of gates.yaml or of a file that the installation names.

A figure of few encounters misses a limit by chance. A gate may therefore name a second figure, the end of the first
one's interval that is kinder to the candidate: where that one still meets the limit, the gate is in doubt and not
missed, and a person may waive it with a reason.
"""

import math
import operator
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from readmission.errors import UserError

Condition = Literal["real", "champion", "same_data", "new_data", "record"]
_LIMITS = ("at_least", "above", "at_most", "below", "by_rows")
_COMPARISONS = {"at_least": operator.ge, "above": operator.gt, "at_most": operator.le, "below": operator.lt}


class Gate(BaseModel):
    """Rule of gates.yaml: a metric, its limit, when it applies and why it exists.

    Attributes:
        name: Unique name.
        figure: Name of the metric.
        reason: Explanation for the people who must live with the gate.
        when: Conditions that must all hold for the gate to apply.
        at_least, above, at_most, below: The limit; exactly one of these and `by_rows` is set.
        by_rows: Minimum by number of clean encounters: pairs of a number and the minimum from it on, the first from 0.
        certain: Name of the end of the metric's interval that is kinder to the candidate. While it meets the limit, a
            metric that does not is in doubt. If omitted, the metric alone decides.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    figure: str
    reason: str
    when: frozenset[Condition] = frozenset()
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    by_rows: tuple[tuple[int, float], ...] | None = Field(None, min_length=1)
    certain: str | None = None

    @field_validator("reason")
    @classmethod
    def _one_line(cls, value: str) -> str:
        return " ".join(value.split())

    @model_validator(mode="after")
    def _one_limit(self) -> "Gate":
        if sum(getattr(self, name) is not None for name in _LIMITS) != 1:
            raise ValueError(f"exactly one of {', '.join(_LIMITS)} is needed")
        starts = [start for start, _ in self.by_rows or ()]
        if starts and (starts[0] != 0 or starts != sorted(set(starts))):
            raise ValueError("by_rows must begin with 0 and rise")
        return self

    def limit(self, rows: int) -> tuple[str, float]:
        """Return the kind of the limit and its value for a model of so many encounters."""
        if self.by_rows is not None:
            return "at_least", [minimum for start, minimum in self.by_rows if start <= rows][-1]
        return next((name, value) for name in _LIMITS if (value := getattr(self, name)) is not None)


@dataclass(frozen=True, kw_only=True)
class Check:
    """Result of one gate.

    Attributes:
        gate: Name of the gate.
        figure: Name of its metric.
        value: Value of the metric. None if it could not be computed, which fails the gate.
        limit: The limit as people read it, such as "at least 0.6".
        passed: Whether the limit is met, or a person waived it.
        reason: Explanation that the gate gives.
        certain: Value of the kinder end of the metric's interval. None if the gate names none.
        in_doubt: Whether the metric misses the limit and its interval does not.
        waived: Who waived the gate and why. Empty if nobody did.
    """

    gate: str
    figure: str
    value: float | None
    limit: str
    passed: bool
    reason: str
    certain: float | None = None
    in_doubt: bool = False
    waived: str = ""


@dataclass(frozen=True)
class Verdict:
    """Checks of one candidate, without the gates that do not apply."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Return whether every gate was met."""
        return all(check.passed for check in self.checks)

    @property
    def failed(self) -> list[Check]:
        """Return the checks that were not met."""
        return [check for check in self.checks if not check.passed]

    def as_data(self) -> list[dict[str, Any]]:
        """Return the checks for JSON."""
        return [asdict(check) for check in self.checks]

    def __str__(self) -> str:
        lines = []
        for check in self.checks:
            value = "missing" if check.value is None else f"{check.value:.4g}"
            mark = "pass" if check.passed else "DOUBT" if check.in_doubt else "FAIL"
            end = f"; waived by {check.waived}" if check.waived else ""
            lines.append(f"  {mark:<5} {check.gate:<26} {check.figure} {value} (must be {check.limit}){end}")
        return "\n".join(lines)


def read_gates(path: Path | None) -> list[Gate]:
    """Read the gates of a file, or those of the package.

    Raises:
        UserError: The file cannot be read, or a gate of it is not well formed.
    """
    if path is None:
        return load_gates()
    try:
        return load_gates(path.read_text(), path.name)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValueError) as error:
        raise UserError(f"READMISSION_GATES: {path} is no file of gates: {' '.join(str(error).split())}") from None


def load_gates(text: str | None = None, name: str = "gates.yaml") -> list[Gate]:
    """Read the gates.

    Args:
        text: YAML. If omitted, the package's gates.yaml is read.
        name: Name of the file, for errors.

    Raises:
        ValueError: A gate is not well formed. The message names it and says what is allowed.
    """
    if text is None:
        text = files("readmission.evaluation").joinpath("gates.yaml").read_text()
    entries = yaml.safe_load(text)
    try:
        gates = TypeAdapter(list[Gate]).validate_python(entries)
    except ValidationError as error:
        raise ValueError(f"{name}: {'; '.join(_explain(entries, problem) for problem in error.errors())}") from None
    if len({gate.name for gate in gates}) != len(gates):
        raise ValueError(f"{name}: two gates have the same name")
    return gates


def _explain(entries: Any, problem: ErrorDetails) -> str:
    index, *fields = problem["loc"] or (None,)
    entry = entries[index] if isinstance(index, int) and isinstance(entries, list) else None
    name = entry.get("name", "?") if isinstance(entry, dict) else "?"
    return (
        f"gate {name}: {'.'.join(map(str, fields))}: {problem['msg']}" if fields else f"gate {name}: {problem['msg']}"
    )


def judge(gates: Sequence[Gate], figures: Mapping[str, float], conditions: Collection[str], *, rows: int) -> Verdict:
    """Check every gate that applies.

    Args:
        gates: What `load_gates` returns.
        figures: Metrics by name. A metric that is absent or NaN fails its gates.
        conditions: Conditions that hold.
        rows: Number of clean encounters of the candidate's snapshot, all splits.
    """
    return Verdict(tuple(_check(gate, figures, rows) for gate in gates if gate.when <= set(conditions)))


def waive(verdict: Verdict, gate: str, who: str, why: str) -> Verdict:
    """Return the verdict with one gate in doubt waived by a person.

    Args:
        verdict: Verdict of a candidate.
        gate: Name of the gate.
        who: Name of the person.
        why: Reason, for the record.

    Raises:
        UserError: The gate is not in doubt, or the reason is missing. A gate that is certainly missed has no waiver.
    """
    if not why.strip():
        raise UserError("--waive needs a reason: --why.")
    doubts = [check.gate for check in verdict.failed if check.in_doubt]
    if gate not in doubts:
        raise UserError(f"--waive: {gate} is not in doubt; in doubt: {', '.join(doubts) or 'no gate'}.")
    waived = f"{who}: {' '.join(why.split())}"
    return Verdict(tuple(replace(c, passed=True, waived=waived) if c.gate == gate else c for c in verdict.checks))


def _check(gate: Gate, figures: Mapping[str, float], rows: int) -> Check:
    kind, limit = gate.limit(rows)
    value = figures.get(gate.figure)
    missing = value is None or math.isnan(value)
    met = value is not None and not missing and _COMPARISONS[kind](value, limit)
    certain = figures.get(gate.certain) if gate.certain else None
    return Check(
        gate=gate.name,
        figure=gate.figure,
        value=None if value is None or missing else float(value),
        limit=f"{kind.replace('_', ' ')} {limit:g}",
        passed=met,
        reason=gate.reason,
        certain=None if certain is None or not math.isfinite(certain) else float(certain),
        in_doubt=not met and not missing and certain is not None and _COMPARISONS[kind](certain, limit),
    )
