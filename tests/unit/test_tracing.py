"""Tracing does nothing without a collector."""

from pathlib import Path

import pytest

from readmission import tracing
from readmission.logs import TRACE
from readmission.settings import Settings


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("http://collector:4318/", "http://collector:4318/v1/traces"),
        ("https://collector/otlp/v1/traces", "https://collector/otlp/v1/traces"),
    ],
)
def test_the_path_of_traces_is_added_where_it_is_absent(address: str, url: str, tmp_path: Path) -> None:
    assert tracing.endpoint(Settings(home=tmp_path, trace_endpoint=address)) == url


def test_without_a_collector_nothing_is_traced(tmp_path: Path) -> None:
    assert not tracing.start(Settings(home=tmp_path), "test")
    with tracing.span("ingest") as span:
        tracing.count(rows=3)
        assert span is None
        assert TRACE.get() == ""
    assert tracing.outgoing() == {}
    tracing.stop()
