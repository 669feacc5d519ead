"""The naive way."""

import pytest

from bench.pipeline.baseline import chapter


@pytest.mark.parametrize(
    ("code", "name"),
    [("428", "circulatory"), ("250.83", "endocrine"), ("V57", "other"), (None, "other"), ("1", "other")],
)
def test_a_code_is_in_the_chapter_that_notebooks_give_it(code: object, name: str) -> None:
    assert chapter(code) == name
