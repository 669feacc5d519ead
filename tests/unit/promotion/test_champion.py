"""Who holds the record: the best champion so far on the validation patients of today."""

import pytest

from readmission.promotion.champion import Champion, is_record


def champion(version: str, record: Champion | None = None) -> Champion:
    return Champion(version=version, run_id="r", data_sha256="d", validation=None, record=record)


@pytest.mark.parametrize(
    ("before", "figures", "best"),
    [
        (None, {}, True),
        (champion("1"), {"difference": 0.001}, True),
        (champion("1"), {"difference": -0.001}, False),
        (champion("2", champion("1")), {"difference": 0.001, "record_difference": -0.002}, False),
        (champion("2", champion("1")), {"difference": 0.004, "record_difference": 0.001}, True),
        # A champion of another contract cannot be compared, so the record begins anew.
        (champion("1"), {}, True),
    ],
)
def test_a_candidate_takes_the_record_only_from_whom_it_beats(
    before: Champion | None, figures: dict[str, float], best: bool
) -> None:
    assert is_record(figures, before) is best
