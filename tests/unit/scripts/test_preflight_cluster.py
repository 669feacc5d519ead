"""Quantities, and waiting with an end."""

import pytest
from preflight_cluster import quantity, until


@pytest.mark.parametrize(
    ("text", "number"),
    [("250m", 0.25), ("2", 2.0), ("1Gi", 2**30), ("512Mi", 2**29), ("1500k", 1.5e6), ("3G", 3e9), ("16384Ki", 2**24)],
)
def test_quantities_of_kubernetes(text: str, number: float) -> None:
    assert quantity(text) == pytest.approx(number)


def test_waiting_ends_with_what_came_or_with_nothing() -> None:
    answers = iter(["", "there"])
    assert until(20, lambda: next(answers)) == "there"
    assert until(0, lambda: "late") is None
