"""Reading of Bundles: references, nesting, and JSON of the wrong shape."""

import json
from typing import Any

import pytest

from readmission.fhir.elements import Condition, Patient, Reference
from readmission.fhir.resources import NotUsableError, Resources, read_bundle, resource_type


def bundle(*resources: Any, urls: tuple[str, ...] = ()) -> bytes:
    entries = [{"resource": resource} for resource in resources]
    for entry, url in zip(entries, urls, strict=False):
        entry["fullUrl"] = url
    return json.dumps({"resourceType": "Bundle", "entry": entries}).encode()


def test_references_are_found_by_id_version_url_and_urn() -> None:
    patient = {"resourceType": "Patient", "id": "1"}
    for url in ("", "https://ehr.example.org/fhir/Patient/1", "urn:uuid:6f2a1d3e-9c47-5b8a-a1f0-2d4e6c8b0a17"):
        resources = read_bundle(bundle(patient, urls=(url,)))
        (only,) = resources.of(Patient)
        for reference in (
            "Patient/1",
            "https://other.example.org/Patient/1",
            "Patient/1/_history/3",
            url or "Patient/1",
        ):
            assert resources.are_same(Reference(reference), only)
        assert resources.find(Patient, Reference("Patient/1")) is only
        assert resources.find(Condition, Reference("Patient/1")) is None
        assert not resources.are_same(Reference("Patient/2"), only)
        assert not resources.are_same(Reference(""), only)


def test_a_resource_that_comes_twice_counts_once_and_others_without_ids_are_kept() -> None:
    same = {"resourceType": "Condition", "id": "c"}
    nameless = {"resourceType": "Condition"}
    assert len(read_bundle(bundle(same, same, nameless, nameless)).of(Condition)) == 3


def test_other_resources_are_ignored_and_nested_bundles_read() -> None:
    inner = json.loads(bundle({"resourceType": "Patient", "id": "1"}))
    resources = read_bundle(bundle({"resourceType": "Provenance", "id": 3}, inner))
    assert [kind for kind, _ in resources] == ["Patient"]
    for _ in range(3):
        inner = json.loads(bundle(inner))
    with pytest.raises(NotUsableError, match="3 deep"):
        read_bundle(bundle(inner))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b"null",
        b'{"resourceType": "Patient"}',
        b'{"resourceType": "Bundle", "entry": {}}',
        bundle({"id": "no type"}),
        bundle("secret"),
        bundle({"resourceType": "Patient", "gender": 3}),
        b"[" * 100_000,
        b'{"resourceType": "Bundle", "entry": [{"resource": ' + b"[" * 100_000,
    ],
)
def test_a_wrong_shape_is_refused_without_its_values(body: bytes) -> None:
    with pytest.raises(NotUsableError) as refused:
        read_bundle(body)
    assert {issue.code for issue in refused.value.issues} == {"structure"}
    assert "secret" not in str(refused.value)


def test_types() -> None:
    assert resource_type(b"null") == resource_type(b"{") == resource_type(b"{}") == ""
    assert Resources().complete == set()
