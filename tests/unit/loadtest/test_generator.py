"""The generator's requests and answers; runs against servers are in tests/integration/loadtest."""

import pytest

from loadtest.generator import Run, _length


def test_bodies_are_sent_in_turn_as_http() -> None:
    run = Run("http://api.example.org:8080/predict", [b"{}", b"[1]"], 1)
    assert (run.host, run.port) == ("api.example.org", 8080)
    first, second, third = run.request(), run.request(), run.request()
    assert first == third != second
    head, _, body = max(first, second, key=len).partition(b"\r\n\r\n")
    assert head.startswith(b"POST /predict HTTP/1.1\r\nHost: api.example.org:8080\r\n")
    assert (f"Content-Length: {len(body)}".encode() in head, body) == (True, b"[1]")


def test_pauses_lie_between_their_bounds() -> None:
    assert Run("http://x", [b"{}"], 1).think() == 0.0
    run = Run("http://x", [b"{}"], 1, wait=(0.5, 1.5))
    assert all(0.5 <= run.think() <= 1.5 for _ in range(100))


def test_the_length_of_an_answer_is_read_whatever_its_case() -> None:
    assert _length(b"HTTP/1.1 200 OK\r\nX: y\r\ncontent-LENGTH: 12") == 12
    with pytest.raises(ValueError, match="without Content-Length"):
        _length(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked")
