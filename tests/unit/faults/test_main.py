"""Choice of faults, and a run of them with a site that does nothing."""

from collections.abc import Callable
from typing import cast

import pytest

from faults.__main__ import FAULTS, choose, inject, main
from faults.observation import Fault, Observation, SkippedError
from faults.site import Site
from readmission.errors import UserError


class Quiet:
    """A site that needs no healing."""

    def heal(self) -> None:
        """Do nothing."""


def test_names_are_unique_and_the_data_is_replaced_last() -> None:
    names = [fault.name for fault in FAULTS]
    assert len(set(names)) == len(names)
    assert [fault.last for fault in choose([], quick=False)] == sorted(fault.last for fault in FAULTS)
    assert 0 < len(choose([], quick=True)) < len(FAULTS)


def test_a_part_of_a_name_chooses() -> None:
    assert {fault.name for fault in choose(["month change"], quick=False)} == {"month change of the partitions"}
    with pytest.raises(UserError, match="Choose of"):
        choose(["no such fault"], quick=False)


def test_what_cannot_be_injected_is_skipped_and_what_fails_is_a_problem() -> None:
    def skip(site: object) -> Observation:
        raise SkippedError("needs root")

    def fail(site: object) -> Observation:
        raise UserError("it hangs")

    def break_(site: object) -> Observation:
        raise ValueError("not expected")

    def pass_(site: object) -> Observation:
        return Observation(lost="0 of 1", saw="nothing")

    injected: list[Callable[[object], Observation]] = [skip, fail, break_, pass_]
    table = inject(cast(Site, Quiet()), [Fault(name=each.__name__, inject=each) for each in injected])
    assert table.skipped == ["skip: needs root"]
    assert table.problems == ["fail: it hangs", "break_: ValueError: not expected"]
    assert [row[0] for row in table.rows] == ["skip", "fail", "break_", "pass_"]


def test_the_list_starts_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["faults", "--list"])
    assert main() == 0
    assert capsys.readouterr().out.splitlines() == [fault.name for fault in choose([], quick=False)]
