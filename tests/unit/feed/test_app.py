"""The form that a request asks for."""

import pytest
from starlette.requests import Request

from readmission.feed import app


@pytest.mark.parametrize(
    ("query", "accept", "form"),
    [
        (b"", b"*/*", "csv"),
        (b"", b"application/x-ndjson", "ndjson"),
        (b"format=csv", b"application/x-ndjson", "csv"),
        (b"format=xml", b"*/*", None),
    ],
)
def test_the_parameter_decides_then_the_header(query: bytes, accept: bytes, form: str | None) -> None:
    scope = {"type": "http", "query_string": query, "headers": [(b"accept", accept)]}
    assert app._form(Request(scope)) == form
