"""The cost of privacy is measured in turns, and judged by its limit."""

from pathlib import Path

import pytest

from bench.serving import privacy


def test_every_form_answers_and_has_its_figures(tmp_path: Path) -> None:
    figures = privacy.measure(tmp_path, 2)
    assert list(figures) == [
        "before",
        "access log",
        "access log and keyed visits",
        "cost of access log",
        "cost of keyed visits",
    ]
    assert min(list(figures.values())[:3]) > 1


@pytest.mark.parametrize(("cost", "code"), [(0.02, 0), (0.05, 1)])
def test_the_limit_decides(monkeypatch: pytest.MonkeyPatch, cost: float, code: int) -> None:
    monkeypatch.setattr(privacy, "measure", lambda folder, rounds: {"before": 40.0, "cost of access log": cost})
    assert privacy.main(["--rounds", "2"]) == code
