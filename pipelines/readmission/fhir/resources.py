"""Resources of a Bundle or of prefetched data: the parts that the mapping reads, with their types.

Elements that are not listed here are ignored, as FHIR asks of a reader. An element of the wrong type is refused.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct, field

from readmission.fhir.elements import (
    Condition,
    Encounter,
    Medication,
    MedicationAdministration,
    MedicationRequest,
    Observation,
    Patient,
    Procedure,
    Reference,
    key_of,
)


class Issue(Struct, frozen=True):
    """Reason why resources cannot be used.

    Attributes:
        code: FHIR's issue type: ``structure``, ``required``, ``value``, ``conflict`` or ``business-rule`` (the patient
            is not one that the model knows).
        where: FHIRPath of the element, or the name of the data that is missing. It never holds a value.
        text: What is wrong and what is allowed.
    """

    code: str
    where: str
    text: str


class NotUsableError(ValueError):
    """Refusal of resources, with every reason that was seen."""

    def __init__(self, issues: Sequence[Issue]) -> None:
        super().__init__("; ".join(f"{issue.where}: {issue.text}" for issue in issues))
        self.issues = tuple(issues)

    @property
    def is_outside(self) -> bool:
        """Whether the data are good and the patient is not one that the model knows."""
        return all(issue.code == "business-rule" for issue in self.issues)


class _Entry(Struct, rename="camel"):
    full_url: str = ""
    resource: Raw = field(default_factory=Raw)


class _Head(Struct, rename="camel"):
    resource_type: str = ""
    type: Any = None
    entry: tuple[_Entry, ...] = ()


_KINDS: Mapping[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        Patient,
        Encounter,
        Condition,
        Observation,
        Procedure,
        MedicationRequest,
        MedicationAdministration,
        Medication,
    )
}
_decode_head = msgspec.json.Decoder(_Head).decode
_DECODERS = {name: msgspec.json.Decoder(kind) for name, kind in _KINDS.items()}
#: Bundles may hold bundles (a searchset per question), but not without end.
_DEPTH = 3
_Kind = TypeVar("_Kind")
#: What decoding foreign bytes may raise.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Resources:
    """Resources by their kind, each once, and the keys under which references find them."""

    def __init__(self) -> None:
        self._by_kind: dict[str, dict[str, Any]] = {name: {} for name in _KINDS}
        self._keys: dict[str, dict[int, set[str]]] = {}
        self._by_key: dict[str, Any] = {}
        self._aliases: dict[int, frozenset[str]] = {}
        #: Kinds of data that the sender states to be all there is, even if there is none.
        self.complete: set[str] = set()

    def add(self, raw: Raw | bytes, where: str, full_url: str = "", depth: int = 0) -> None:
        """Read one resource, or a Bundle with all its entries.

        Args:
            raw: JSON of the resource.
            where: FHIRPath of it, for refusals.
            full_url: URL under which other entries refer to it.
            depth: How many bundles it is inside of.

        Raises:
            NotUsableError: It is not a resource, or an element has the wrong type.
        """
        try:
            head = _decode_head(raw)
            if head.resource_type == "Bundle":
                if depth >= _DEPTH:
                    raise NotUsableError([Issue("structure", where, f"bundles may be nested {_DEPTH} deep")])
                for index, entry in enumerate(head.entry):
                    if bytes(entry.resource):
                        self.add(entry.resource, f"{where}.entry[{index}].resource", entry.full_url, depth + 1)
                return
            if not head.resource_type:
                raise NotUsableError([Issue("structure", where, "a FHIR resource with its resourceType")])
            if head.resource_type in _DECODERS:
                self._keep(head.resource_type, _DECODERS[head.resource_type].decode(raw), full_url)
        except UNREADABLE as error:
            raise NotUsableError([Issue("structure", where, _reason(error))]) from None

    def _keep(self, kind: str, resource: Any, full_url: str) -> None:
        keys = {f"{kind}/{resource.id}"} if resource.id else set()
        keys |= {key_of(full_url), full_url} - {""}
        key = min(keys, default=f"{kind}#{len(self._by_kind[kind])}")
        # A resource may come with several searches.
        if key not in self._by_kind[kind]:
            self._by_kind[kind][key] = resource
            self._aliases[id(resource)] = frozenset(keys)
            self._by_key.update(dict.fromkeys(keys, resource))

    def of(self, kind: type[_Kind]) -> list[_Kind]:
        """Return the resources of one kind, in the order in which they came."""
        return list(self._by_kind[kind.__name__].values())

    def find(self, kind: type[_Kind], reference: Reference) -> _Kind | None:
        """Return what a reference means, if it is here and of that kind."""
        resource = self._by_key.get(reference.key) or self._by_key.get(reference.reference)
        return resource if isinstance(resource, kind) else None

    def are_same(self, reference: Reference, resource: object) -> bool:
        """Return whether a reference means a resource."""
        aliases = self._aliases[id(resource)]
        return reference.key in aliases or reference.reference in aliases

    def reference(self, resource: object) -> str:
        """Return a reference to a resource; empty if it has neither an id nor a URL."""
        keys = self._aliases[id(resource)]
        return min((key for key in keys if not key.startswith(("http:", "https:"))), default=min(keys, default=""))

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """Yield every resource with its kind."""
        return ((kind, resource) for kind, resources in self._by_kind.items() for resource in resources.values())


def read_bundle(body: bytes) -> Resources:
    """Read the body of a request.

    Raises:
        NotUsableError: It is not a Bundle in JSON, or a resource in it cannot be read.
    """
    try:
        head = _decode_head(body)
    except UNREADABLE as error:
        raise NotUsableError([Issue("structure", "Bundle", _reason(error))]) from None
    if head.resource_type != "Bundle":
        raise NotUsableError([Issue("structure", "Bundle", "the body must be one FHIR R4 Bundle")])
    resources = Resources()
    resources.add(body, "Bundle")
    return resources


def _reason(error: Exception) -> str:
    """Return what is wrong with the JSON, without the values that msgspec quotes."""
    if isinstance(error, msgspec.ValidationError):
        text, _, path = str(error).partition(" - at ")
        wrong = text if text.startswith("Expected") else "an element has the wrong type"
        return f"{wrong}{' - at ' + path if path else ''}"
    return "JSON in UTF-8 that is not nested too deep"


def resource_type(raw: Raw | bytes) -> str:
    """Return the resourceType of a JSON value; empty if it is no resource."""
    try:
        return _decode_head(raw).resource_type
    except UNREADABLE:
        return ""
