"""Table of what faults did."""

from faults.observation import Observation, Table


def test_the_table_has_every_row_and_ends_with_a_verdict() -> None:
    table = Table()
    table.add("a fault", Observation(lost="0 of 5 predictions", saw="nothing | at all", failing=1.25))
    table.add("a step killed", Observation(lost="0 of 9 rows", saw="a sentence"))
    table.skip("a full disk", "only root may mount one")
    lines = table.render().splitlines()
    assert "| a fault | 0 of 5 predictions | 1.2 s | nothing / at all |" in lines
    assert "| a step killed | 0 of 9 rows | — | a sentence |" in lines
    assert "SKIPPED  a full disk: only root may mount one" in lines
    assert lines[-1] == "2 faults injected, 1 skipped: nothing was lost."


def test_a_problem_is_named_with_its_fault() -> None:
    table = Table()
    table.add("a fault", Observation(lost="1 of 5", saw="nothing", problems=("1 is lost",)).adding(["and wrong"]))
    assert table.problems == ["a fault: 1 is lost", "a fault: and wrong"]
    assert "LOST     a fault: 1 is lost" in table.render()
    assert table.render().endswith("2 problems.")


def test_adding_replaces_only_what_is_said() -> None:
    observation = Observation(lost="0 of 5", saw="nothing", failing=1.0)
    assert observation.adding() == observation
    changed = observation.adding(saw="a sentence", lost="1 of 5")
    assert (changed.saw, changed.lost, changed.failing) == ("a sentence", "1 of 5", 1.0)
