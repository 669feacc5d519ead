"""Objects are validated by schemas that know no further keys, and what was not validated is said."""

import json
from collections import Counter
from pathlib import Path

import pytest

import charts

CUSTOM = {
    "type": "object",
    "properties": {
        "metadata": {"type": "object"},
        "spec": {
            "type": "object",
            "properties": {
                "port": {"x-kubernetes-int-or-string": True, "pattern": "(?i)x"},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {}},
            },
        },
    },
}


@pytest.mark.parametrize(
    ("spec", "is_valid"),
    [
        ({"port": 1}, True),
        ({"port": "http"}, True),
        ({"port": 1.5}, False),
        ({"prot": 1}, False),
        ({"free": {"anything": 1}}, True),
    ],
)
def test_a_custom_resource_may_have_no_key_that_its_schema_does_not_name(
    spec: dict[str, object], is_valid: bool
) -> None:
    item = {"metadata": {"name": "x", "labels": {}}, "spec": spec}
    assert (charts.find_mistake(json.dumps(item), json.dumps(CUSTOM)) == "") is is_valid


def test_a_mistyped_key_of_kubernetes_is_found() -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"ports": [{"port": 80}]}}
    assert charts.find_mistake(json.dumps(service), "") == ""
    assert charts.find_mistake(json.dumps({**service, "specs": {}}), "")


def test_what_has_no_schema_is_counted_and_named() -> None:
    unknown = {"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "x"}}
    problems: list[str] = []
    counts = charts.validate("release", [unknown], {}, problems)
    assert problems == [] and "not validated (Thing: its definition is not on disk)" in charts.describe(counts)
    assert charts.describe(Counter(kubernetes=2)).startswith("2 objects valid by the schemas of Kubernetes")


def test_the_folder_of_others_charts_may_be_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARTS_DIR", str(tmp_path))
    assert charts.charts_folder() == tmp_path
    monkeypatch.setenv("CHARTS_DIR", str(tmp_path / "absent"))
    assert charts.charts_folder() is None
