"""Comparison of what an undisturbed and a disturbed run have left."""

from faults.steps import Content, compare


def test_equal_content_has_lost_nothing() -> None:
    content: Content = {"raw.batches": (3, "a"), "raw.encounters": (900, "b"), "snapshots": (3, "x y z")}
    observation = compare(content, content, "killed twice")
    assert observation.lost == "0 of 903 rows"
    assert not observation.problems


def test_every_difference_is_named() -> None:
    before: Content = {"raw.batches": (3, "a"), "raw.encounters": (900, "b")}
    after: Content = {"raw.batches": (3, "a"), "raw.encounters": (899, "c")}
    (problem,) = compare(before, after, "killed twice").problems
    assert problem == "raw.encounters has 899 rows, or others, where an undisturbed run has 900"
