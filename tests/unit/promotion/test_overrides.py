"""What a person may override: a gate in doubt and a version that was rolled back from, each with a reason."""

from readmission.evaluation.gates import Check, Verdict
from readmission.promotion.overrides import Overrides


def check(gate: str, *, passed: bool = False, in_doubt: bool = False) -> Check:
    return Check(gate=gate, figure="f", value=1.0, limit="0", passed=passed, reason="", in_doubt=in_doubt)


def test_only_named_gates_in_doubt_are_waived_and_the_verdict_names_the_person() -> None:
    verdict = Verdict((check("doubtful", in_doubt=True), check("missed"), check("other", in_doubt=True)))
    waived = Overrides(who="Ada", why="60 events", waived=("doubtful", "missed")).waive(verdict)
    assert [c.gate for c in waived.failed] == ["missed", "other"]
    assert waived.checks[0].waived == "Ada: 60 events"


def test_a_version_returns_only_when_a_person_lets_it() -> None:
    assert not Overrides(who="Ada", why="a waiver's reason").check_return().passed
    returning = Overrides(who="Ada", why="the feed was wrong", again=True).check_return()
    assert returning.passed and returning.reason == "the feed was wrong"
