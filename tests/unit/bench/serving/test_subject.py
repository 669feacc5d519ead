"""The requests of a benchmark: complete, allowed, and the same for every service."""

from bench.serving import subject
from readmission import contract


def test_requests_are_complete_allowed_and_the_same_again() -> None:
    requests = subject.requests("", seed=7)
    assert len(requests) == subject.DIFFERENT and requests == subject.requests("", seed=7)
    for record in requests[:50]:
        assert tuple(record) == contract.FEATURE_NAMES
        assert None not in record.values()
        assert not [name for name, value in record.items() if contract.BY_NAME[name].problem(str(value))]
