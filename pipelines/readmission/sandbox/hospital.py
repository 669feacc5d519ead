"""A made-up hospital: FHIR resources of invented patients, and the searches that a record system makes of them.

The patients of `hospital.ndjson.gz` are invented by clinosim (MIT License, `hospital.LICENSE`). `scripts/hospital.py`
made the file. No resource of it is about a person.
"""

import gzip
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qsl

Resource = dict[str, Any]
#: A date at the beginning of a JSON text; times and zones stay as they are.
_DATE = re.compile(r'(?<=")\d{4}-\d\d-\d\d(?=["T])')
_TEMPLATE = re.compile(r"\{\{context\.(\w+)\}\}")


class UnknownSearchError(ValueError):
    """Refusal of a query that this hospital does not know, as a real server refuses it."""


class Hospital:
    """FHIR resources by their reference.

    Args:
        resources: The resources, each with its id.
    """

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._by_reference = {f"{each['resourceType']}/{each['id']}": each for each in resources}

    def of(self, kind: str) -> list[Resource]:
        """Return the resources of one type."""
        return [each for each in self._by_reference.values() if each["resourceType"] == kind]

    def discharges(self) -> list[Resource]:
        """Return the inpatient stays that have ended, the last one first."""
        ended = [e for e in self.of("Encounter") if e["class"]["code"] == "IMP" and e["period"].get("end")]
        return sorted(ended, key=lambda e: str(e["period"]["end"]), reverse=True)

    def prefetch(
        self, queries: Mapping[str, str], context: Mapping[str, str], moved: timedelta = timedelta()
    ) -> dict[str, Resource]:
        """Answer the prefetch queries of a CDS service.

        Args:
            queries: Key -> query, with placeholders such as `{{context.patientId}}`.
            context: Values of the placeholders.
            moved: By how much every date is moved, so that a stay of last year ends today.

        Raises:
            UnknownSearchError: A query has a placeholder or a parameter that this hospital does not know.
        """
        text = json.dumps({key: self.read(_filled(query, context)) for key, query in queries.items()})
        moved_text = _DATE.sub(lambda day: str(date.fromisoformat(day[0]) + moved), text)
        answers: dict[str, Resource] = json.loads(moved_text)
        return answers

    def read(self, query: str) -> Resource:
        """Answer a read (`Patient/p1`) with the resource, or a search (`Condition?patient=p1`) with a searchset.

        Raises:
            UnknownSearchError: The hospital has no such resource, or does not know a parameter.
        """
        path, is_search, parameters = query.partition("?")
        if not is_search:
            if path not in self._by_reference:
                raise UnknownSearchError(f"there is no {path}")
            return self._by_reference[path]
        pairs = parse_qsl(parameters)
        hits = self.of(path)
        for name, value in pairs:
            if name != "_include":
                hits = [resource for resource in hits if _matches(name)(resource, value)]
        included = [resource for name, value in pairs if name == "_include" for resource in self._included(hits, value)]
        entries = [{"resource": resource} for resource in (*hits, *included)]
        return {"resourceType": "Bundle", "type": "searchset", "total": len(hits), "entry": entries}

    def _included(self, hits: list[Resource], value: str) -> Iterator[Resource]:
        if value not in ("MedicationRequest:medication", "MedicationAdministration:medication"):
            raise UnknownSearchError(f"_include={value} is not known")
        references = {hit.get("medicationReference", {}).get("reference") for hit in hits}
        return (self._by_reference[reference] for reference in sorted(references & self._by_reference.keys()))


def load() -> Hospital:
    """Return the stored hospital."""
    return Hospital(json.loads(line) for line in _stored().splitlines())


@cache
def _stored() -> str:
    return gzip.decompress((files("readmission.sandbox") / "hospital.ndjson.gz").read_bytes()).decode()


def _filled(query: str, context: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1] not in context:
            raise UnknownSearchError(f"the context has no {match[1]}")
        return context[match[1]]

    return _TEMPLATE.sub(value, query)


def _matches(parameter: str) -> Callable[[Resource, str], bool]:
    if parameter not in _PARAMETERS:
        raise UnknownSearchError(f"the parameter {parameter} is not known: one of {', '.join(_PARAMETERS)}")
    return _PARAMETERS[parameter]


def _refers(element: str, kind: str) -> Callable[[Resource, str], bool]:
    return lambda resource, value: resource.get(element, {}).get("reference") == f"{kind}/{value}"


def _has_category(resource: Resource, value: str) -> bool:
    return any(coding.get("code") == value for each in resource.get("category", ()) for coding in each["coding"])


_PARAMETERS: Mapping[str, Callable[[Resource, str], bool]] = {
    "patient": _refers("subject", "Patient"),
    "encounter": _refers("encounter", "Encounter"),
    "context": _refers("context", "Encounter"),
    "category": _has_category,
}
