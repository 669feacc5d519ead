"""The door to the benchmarks."""

import importlib
import re
from pathlib import Path

import pytest

from bench.__main__ import BENCHMARKS, benchmark, main
from readmission.errors import UserError


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_has_a_function_and_helps(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    module, _, function = BENCHMARKS[name].partition(":")
    assert callable(getattr(importlib.import_module(module), function))
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert f"python -m bench {name}" in capsys.readouterr().out


def test_an_unknown_benchmark_is_refused_with_the_list() -> None:
    with pytest.raises(UserError, match=r"no benchmark 'nope'\..*api, batch"):
        benchmark("nope")


def test_the_makefile_names_every_benchmark_for_people() -> None:
    makefile = (Path(__file__).parents[3] / "Makefile").read_text()
    (line,) = re.findall(r"^bench:.*## measure (.*)$", makefile, re.M)
    # `check` has a target of its own, and `baseline` is the slower half of `naive`.
    assert set(BENCHMARKS) - {"check", "baseline"} <= set(re.findall(r"[a-z]+", line))
