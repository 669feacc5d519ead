"""Encounter that is being put together: its values, where each comes from, and what is wrong."""

import re
from datetime import date
from typing import Literal

from msgspec import Struct

from readmission import contract
from readmission.fhir.elements import Encounter, Patient, Reference
from readmission.fhir.resources import Issue, Resources

#: Where a value comes from: a resource states it; it follows from resources; it was filled in; it is not known.
Source = Literal["sent", "derived", "assumed", "missing"]
SOURCES: tuple[Source, ...] = ("sent", "derived", "assumed", "missing")
_DAY = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T.*)?)?)?")


class Origin(Struct, frozen=True):
    """Origin of one column's value.

    Attributes:
        source: One of SOURCES.
        how: In words; empty if the source says it all.
    """

    source: Source
    how: str = ""


class Draft:
    """Encounter that is being put together.

    Args:
        resources: What was sent.
        patient: The patient.
        stay: The encounter that is judged.
        today: Day up to which a stay without an end is counted.

    Attributes:
        begin: First day of the stay.
        end: Last day of the stay.
        values: Column -> value, as a request states it.
        origins: Column -> where its value comes from.
        issues: What is wrong.
        basis: References of the resources that were used.
    """

    def __init__(self, resources: Resources, patient: Patient, stay: Encounter, today: date) -> None:
        self.resources, self.patient, self.stay = resources, patient, stay
        self.values: dict[str, str | int] = {}
        self.origins: dict[str, Origin] = {}
        self.issues: list[Issue] = []
        self.basis: list[str] = []
        begin = self.day(stay.period.start, "Encounter.period.start")
        self.begin = begin or today
        self.end = self.day(stay.period.end, "Encounter.period.end") or max(today, self.begin)
        if begin is None:
            self.wrong("required", "Encounter.period.start", "the day of the admission")
        elif self.end < self.begin:
            self.wrong("conflict", "Encounter.period", "the discharge lies before the admission")

    def put(self, column: str, value: str | int | None, source: Source, how: str = "") -> None:
        """Set a column; no value means that it is not known."""
        if value is None:
            self.origins[column] = Origin("missing", how)
        else:
            self.values[column] = value
            self.origins[column] = Origin(source, how)

    def count(self, column: str, number: int, how: str) -> None:
        """Set a column that counts; above its range it is the largest number that it may hold."""
        largest = contract.BY_NAME[column].maximum
        if number > largest:
            self.put(column, largest, "assumed", f"{how}; counted as {largest}, the largest number of the data")
        else:
            self.put(column, number, "derived", how)

    def wrong(self, code: str, where: str, text: str) -> None:
        """Note what is wrong."""
        self.issues.append(Issue(code, where, text))

    def use(self, *resources: object) -> None:
        """Note that resources were used."""
        for resource in resources:
            reference = self.resources.reference(resource)
            if reference and reference not in self.basis:
                self.basis.append(reference)

    def day(self, text: str, where: str) -> date | None:
        """Return the day of a FHIR date or time, as its sender's clock showed it; None if there is none.

        A date without a day counts as the first of its month or year.
        """
        if not text:
            return None
        try:
            if parts := _DAY.fullmatch(text):
                return date(*(int(part or 1) for part in parts.groups()))
        except ValueError:
            pass
        self.wrong("value", where, "a FHIR date or time such as 2026-11-20 or 2026-11-20T08:00:00-05:00")
        return None

    def is_of_stay(self, encounter: Reference, moment: str, where: str) -> bool:
        """Return whether something belongs to the stay: by its reference, or without one, by its day."""
        if encounter.reference:
            return self.resources.are_same(encounter, self.stay)
        day = self.day(moment, where)
        return day is not None and self.begin <= day <= self.end

    def by_source(self) -> dict[Source, list[str]]:
        """Return the columns by where their values come from, in the contract's order."""
        return {
            source: [name for name in contract.FEATURE_NAMES if self._has_source(name, source)] for source in SOURCES
        }

    def _has_source(self, column: str, source: Source) -> bool:
        return column in self.origins and self.origins[column].source == source
