"""Check a candidate's figures against the gates of gates.yaml. Pure but for reading that file of the package."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any

import yaml

_LIMITS = ("at_least", "at_most", "below", "by_batches")
_CONDITIONS = frozenset({"real", "champion", "same_data", "new_data"})


@dataclass(frozen=True)
class Gate:
    """Hold one rule: a figure, its limit, when it applies and why it is there.

    Attributes:
        name: unique.
        figure: key of the figures.
        kind: one of at_least, at_most, below, by_batches.
        limit: a number, for by_batches a list.
        when: conditions that must all hold.
        reason: for the people who must live with it.
    """

    name: str
    figure: str
    kind: str
    limit: Any
    when: frozenset[str]
    reason: str


@dataclass(frozen=True)
class Check:
    """Hold how one gate was met.

    Attributes:
        gate, figure, reason: as in the gate.
        value: of the figure; None when it could not be computed, which fails.
        limit: in words.
        passed: whether it was met.
    """

    gate: str
    figure: str
    value: float | None
    limit: str
    passed: bool
    reason: str


@dataclass(frozen=True)
class Verdict:
    """Hold every check of one candidate; gates that do not apply are not among them."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Tell whether every gate was met."""
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


def load(text: str | None = None) -> list[Gate]:
    """Read the gates.

    Args:
        text: YAML; None: the package's gates.yaml.

    Raises:
        ValueError: a gate is not well formed; names it and what is allowed.
    """
    entries = yaml.safe_load(
        text if text is not None else files("readmission.evaluation").joinpath("gates.yaml").read_text()
    )
    gates = [_gate(entry) for entry in entries]
    if len({gate.name for gate in gates}) != len(gates):
        raise ValueError("gates.yaml: two gates have the same name")
    return gates


def _gate(entry: Mapping[str, Any]) -> Gate:
    name = entry.get("name", "?")
    kinds = [kind for kind in _LIMITS if kind in entry]
    if len(kinds) != 1:
        raise ValueError(f"gates.yaml: gate {name} needs exactly one of {', '.join(_LIMITS)}")
    unknown = set(entry) - {"name", "figure", "when", "reason", *_LIMITS}
    missing = {"name", "figure", "reason"} - set(entry)
    when = frozenset(entry.get("when", ()))
    if unknown or missing or not when <= _CONDITIONS:
        raise ValueError(
            f"gates.yaml: gate {name}: unknown keys {sorted(unknown)}, missing keys {sorted(missing)}, "
            f"conditions {sorted(when)}; allowed conditions: {sorted(_CONDITIONS)}"
        )
    return Gate(name, entry["figure"], kinds[0], entry[kinds[0]], when, " ".join(entry["reason"].split()))


def judge(gates: Sequence[Gate], figures: Mapping[str, float], conditions: Collection[str], batches: int) -> Verdict:
    """Check every gate that applies.

    Args:
        gates: from `load`.
        figures: by name; one that is absent or NaN fails its gates.
        conditions: what holds.
        batches: number of batches the candidate was trained on.
    """
    return Verdict(tuple(_check(gate, figures, batches) for gate in gates if gate.when <= set(conditions)))


def _check(gate: Gate, figures: Mapping[str, float], batches: int) -> Check:
    kind, limit = gate.kind, gate.limit
    if kind == "by_batches":
        kind, limit = "at_least", limit[min(batches, len(limit)) - 1]
    value = figures.get(gate.figure)
    if value is None or math.isnan(value):
        return Check(gate.name, gate.figure, None, _words(kind, limit), False, gate.reason)
    met = {"at_least": value >= limit, "at_most": value <= limit, "below": value < limit}[kind]
    return Check(gate.name, gate.figure, float(value), _words(kind, limit), met, gate.reason)


def _words(kind: str, limit: float) -> str:
    return f"{kind.replace('_', ' ')} {limit:g}"
