"""Encounters of a CSV file: the same values and the same problems as those of a JSON request."""

from collections.abc import Mapping

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


def _problem(column: contract.Column, cell: str) -> Problem | None:
    problem = column.problem(cell)
    if problem is None:
        return None
    return Problem(column.name, problem, fields.allowed(column), suggestions.nearest(column, cell))


def as_request(row: Mapping[str, str]) -> dict[str, str | int]:
    """Return the JSON object that states what a valid encounter of a CSV file states."""
    cells = ((column, row.get(column.name)) for column in encounter.STATED)
    return {c.name: value for c, cell in cells if cell and (value := c.parse(cell)) is not None}
