"""The stored ratios: they fail beyond noise, and each generator has its own."""

from pathlib import Path

import msgspec
import pytest

from bench.serving import drive, ratios
from bench.serving.ratios import Ratio
from readmission.errors import UserError
from tests.unit.bench.serving.sessions import figure


def test_ratios_fail_beyond_noise_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ratios.json"
    ratios.store({"ours/echo": Ratio(0.30, 0.25, 0.35)}, path)
    assert ratios.compare({"ours/echo": Ratio(0.16, 0.14, 0.18)}, path) == []
    assert "slower beyond noise" in ratios.compare({"ours/echo": Ratio(0.12, 0.10, 0.14)}, path)[0]
    monkeypatch.setattr(drive, "tool", lambda: "another")
    with pytest.raises(UserError, match="No ratios are stored for another"):
        ratios.compare({}, path)
    ratios.store({"ours/echo": Ratio(0.5, 0.5, 0.5)}, path)
    assert len(msgspec.json.decode(path.read_bytes())) == 2, "those of the other generator stay"


def test_stored_ratios_cover_both_generators() -> None:
    assert set(msgspec.json.decode(ratios.STORED.read_bytes())) == {"wrk", "loadtest.generator"}


def test_a_ratio_is_the_median_over_rounds() -> None:
    ours, echo = figure("ours", 1), figure("echo", 1)
    ours = msgspec.structs.replace(ours, ratios=(0.2, 0.3, 0.4))
    echo = msgspec.structs.replace(echo, ratios=(1.0, 1.0, 0.5))
    assert ratios.of([ours, echo, figure("ours", 1, size=100)]) == {"ours/echo": Ratio(0.3, 0.2, 0.8)}
