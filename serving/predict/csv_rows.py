"""Encounters of a CSV file: the same values and the same problems as those of a JSON request."""

from collections import Counter
from collections.abc import Mapping, Sequence

from readmission import contract
from readmission.contract import icd, suggestions
from serving.predict import encounter, fields
from serving.predict.encounter import Invalid, Problem, Values


def read(row: Mapping[str, str]) -> Values:
    """Read one encounter of a CSV file, whose values are text; empty or ``?`` means absent.

    Returns:
        The values as `decode` returns them.

    Raises:
        Invalid: The encounter does not follow the contract; all its problems are listed.
    """
    listed: list[Problem] = []
    values: list[str | int | None] = []
    declared = contract.ICD.parse(row.get(contract.ICD.name) or "") or icd.SYSTEMS[0]
    # A wrong declaration is reported; the codes cannot be judged then.
    system = next((system for system in icd.SYSTEMS if system == declared), None)
    for column in encounter.STATED:
        cell = row.get(column.name) or contract.MISSING_TOKEN
        if cell == contract.MISSING_TOKEN and not column.required:
            values.append(None)
            continue
        if column.pattern:
            problem = encounter.code_problem(column, cell, system) if system else None
        else:
            problem = _problem(column, cell)
        if problem is not None:
            listed.append(problem)
            continue
        values.append(column.parse(cell))
    if listed:
        raise Invalid(listed)
    return encounter.in_icd9(tuple(values)) if system == "10cm" else tuple(values[: len(encounter.STATED) - 1])


def header_problems(names: Sequence[str]) -> list[Problem]:
    """Return what is wrong with the names of the columns; those that no request has (the outcome) are passed over."""
    allowed = {column.name for column in encounter.STATED} | set(contract.COLUMN_NAMES)
    twice = [name for name, count in Counter(names).items() if count > 1]
    problems = [Problem(name[:64], "twice", "each column once") for name in twice]
    for name in dict.fromkeys(names):
        if name not in allowed:
            near = suggestions.closest(name, sorted(allowed))
            problems.append(Problem(name[:64], "unknown", "a column of GET /docs/columns", near))
    return problems


def _problem(column: contract.Column, cell: str) -> Problem | None:
    problem = column.problem(cell)
    if problem is None:
        return None
    return Problem(column.name, problem, fields.allowed(column), suggestions.nearest(column, cell))


def as_request(row: Mapping[str, str]) -> dict[str, str | int]:
    """Return the JSON object that states what a valid encounter of a CSV file states."""
    cells = ((column, row.get(column.name)) for column in encounter.STATED)
    return {c.name: value for c, cell in cells if cell and (value := c.parse(cell)) is not None}
