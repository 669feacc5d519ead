"""Fixtures of the load test's tests."""

import socket

import pytest


@pytest.fixture
def port() -> int:
    """Return a TCP port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
