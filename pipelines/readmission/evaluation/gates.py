"""Check a candidate's figures against the gates of gates.yaml. Pure but for reading that file of the package."""

import math
import operator
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

Condition = Literal["real", "champion", "same_data", "new_data"]
_LIMITS = ("at_least", "above", "at_most", "below", "by_batches")
_COMPARISONS = {"at_least": operator.ge, "above": operator.gt, "at_most": operator.le, "below": operator.lt}


class Gate(BaseModel):
    """Rule of gates.yaml: a metric, its limit, when it applies and why it exists.

    Attributes:
        name: Unique name.
        figure: Name of the metric.
        reason: Explanation for the people who must live with the gate.
        when: Conditions that must all hold for the gate to apply.
        at_least, above, at_most, below: The limit; exactly one of these and `by_batches` is set.
        by_batches: Minimum by number of batches trained on; the last one holds for more.
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
    by_batches: tuple[float, ...] | None = Field(None, min_length=1)

    @field_validator("reason")
    @classmethod
    def _one_line(cls, value: str) -> str:
        return " ".join(value.split())

    @model_validator(mode="after")
    def _one_limit(self) -> "Gate":
        if sum(getattr(self, name) is not None for name in _LIMITS) != 1:
            raise ValueError(f"exactly one of {', '.join(_LIMITS)} is needed")
        return self

    def limit(self, batches: int) -> tuple[str, float]:
        """Return the kind of the limit and its value for a model trained on so many batches."""
        if self.by_batches is not None:
            return "at_least", self.by_batches[min(batches, len(self.by_batches)) - 1]
        return next((name, value) for name in _LIMITS if (value := getattr(self, name)) is not None)


@dataclass(frozen=True, kw_only=True)
class Check:
    """Result of one gate.

    Attributes:
        gate: Name of the gate.
        figure: Name of its metric.
        value: Value of the metric. None if it could not be computed, which fails the gate.
        limit: The limit as people read it, such as "at least 0.6".
        passed: Whether the limit is met.
        reason: Explanation that the gate gives.
    """

    gate: str
    figure: str
    value: float | None
    limit: str
    passed: bool
    reason: str


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
            mark = "pass" if check.passed else "FAIL"
            lines.append(f"  {mark}  {check.gate:<26} {check.figure} {value} (must be {check.limit})")
        return "\n".join(lines)


def load_gates(text: str | None = None) -> list[Gate]:
    """Read the gates.

    Args:
        text: YAML. If omitted, the package's gates.yaml is read.

    Raises:
        ValueError: A gate is not well formed. The message names it and says what is allowed.
    """
    if text is None:
        text = files("readmission.evaluation").joinpath("gates.yaml").read_text()
    entries = yaml.safe_load(text)
    try:
        gates = TypeAdapter(list[Gate]).validate_python(entries)
    except ValidationError as error:
        raise ValueError(f"gates.yaml: {'; '.join(_explain(entries, problem) for problem in error.errors())}") from None
    if len({gate.name for gate in gates}) != len(gates):
        raise ValueError("gates.yaml: two gates have the same name")
    return gates


def _explain(entries: Any, problem: ErrorDetails) -> str:
    index, *fields = problem["loc"] or (None,)
    entry = entries[index] if isinstance(index, int) else None
    name = entry.get("name", "?") if isinstance(entry, dict) else "?"
    return (
        f"gate {name}: {'.'.join(map(str, fields))}: {problem['msg']}" if fields else f"gate {name}: {problem['msg']}"
    )


def judge(gates: Sequence[Gate], figures: Mapping[str, float], conditions: Collection[str], batches: int) -> Verdict:
    """Check every gate that applies.

    Args:
        gates: What `load_gates` returns.
        figures: Metrics by name. A metric that is absent or NaN fails its gates.
        conditions: Conditions that hold.
        batches: Number of batches that the candidate was trained on.
    """
    return Verdict(tuple(_check(gate, figures, batches) for gate in gates if gate.when <= set(conditions)))


def _check(gate: Gate, figures: Mapping[str, float], batches: int) -> Check:
    kind, limit = gate.limit(batches)
    value = figures.get(gate.figure)
    missing = value is None or math.isnan(value)
    return Check(
        gate=gate.name,
        figure=gate.figure,
        value=None if value is None or missing else float(value),
        limit=f"{kind.replace('_', ' ')} {limit:g}",
        passed=value is not None and not missing and _COMPARISONS[kind](value, limit),
        reason=gate.reason,
    )
