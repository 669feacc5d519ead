"""A feed that does not answer, or is none."""

import pytest

from readmission.data.feed import FeedSource
from readmission.errors import UserError
from tests.conftest import free_port


def test_a_feed_that_is_away_is_named_after_the_last_attempt() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(UserError, match=rf"The feed at {url} did not answer"):
        _ = FeedSource(url, 1000, attempts=2, first_wait=0.001).batches
