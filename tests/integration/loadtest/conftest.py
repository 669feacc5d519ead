"""Fixtures of the load test's tests."""

import pytest

from tests.conftest import free_port


@pytest.fixture
def port() -> int:
    """Return a TCP port of the loopback that nobody listens on now."""
    return free_port()
