"""Which row is a new version of its encounter, and which outcomes can be known."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from readmission.data.versions import Version, is_new, newest, with_arrow_times, withhold_outcomes

DAY = datetime(2008, 3, 1, tzinfo=UTC)


def version(content: str, day: int, outcome: str = "NO", *, dated: bool = True) -> Version:
    return Version(
        content_hash=content,
        patient="7",
        outcome=outcome,
        discharged_at=DAY if dated else None,
        known_at=DAY + timedelta(days=day),
    )


def test_the_version_known_last_counts_and_of_equal_ones_the_one_stored_last() -> None:
    first, late, same = version("a", 3), version("b", 1), version("c", 3)
    assert newest([first, late]) is first
    assert newest([first, same]) is same


@pytest.mark.parametrize(
    ("row", "stated", "new"),
    [
        (version("other", 0), False, True),
        (version("same", 90), False, False),
        (version("same", 90), True, True),  # stated within the horizon, confirmed after it
        (version("same", 20), True, False),
        (version("same", 90, dated=False), True, False),
        (version("old", 90), False, False),  # an old file delivered again
        (version("old", 90), True, True),  # corrected back
        (version("old", 5), True, False),
    ],
)
def test_a_row_is_new_if_it_says_something_else_or_later(row: Version, stated: bool, new: bool) -> None:
    assert is_new(row, [version("old", 2, "?"), version("same", 10)], stated=stated) is new


def test_an_outcome_confirmed_once_is_not_new_again() -> None:
    assert not is_new(version("same", 90), [version("same", 10), version("same", 40)], stated=True)
    assert not is_new(version("same", 90, "<30"), [version("same", 10, "<30")], stated=True)


def test_outcomes_are_withheld_until_they_can_be_known() -> None:
    rows = [
        ("NO", 0, 10),
        ("NO", 0, 30),
        (">30", 0, 29),
        ("<30", 0, 5),
        ("<30", 20, 25),  # on day 40 others of that day have not had the time to come back
        ("NO", None, 1),
        (None, 0, 35),
    ]
    frame = pd.DataFrame(
        {
            "readmitted": pd.Series([outcome for outcome, _, _ in rows], dtype="str"),
            "discharged_at": pd.to_datetime(
                [None if left is None else DAY + timedelta(days=left) for _, left, _ in rows], utc=True
            ),
            "known_at": pd.to_datetime([DAY + timedelta(days=day) for _, _, day in rows], utc=True),
        }
    )
    withheld = withhold_outcomes(frame, DAY + timedelta(days=40))["readmitted"]
    assert withheld.fillna("withheld").tolist() == ["withheld", "NO", "withheld", "<30", "withheld", "NO", "withheld"]
    assert str(with_arrow_times(frame)["known_at"].dtype) == "timestamp[us, tz=UTC][pyarrow]"
