"""The table of the comparison with the naive way."""

from pathlib import Path

import msgspec

from bench.pipeline.naive import Stage, write


def test_our_steps_count_together_and_their_peak_is_the_higher_one(tmp_path: Path) -> None:
    stages = [Stage("ingest", 2.0, 150.0), Stage("process", 3.0, 250.0), Stage("naive", 25.0, 900.0)]
    table = write(tmp_path, 101_766, stages)
    assert "| **ingest + process** | **5.0** | **250** |" in table
    assert "| 25.0 | 900 |" in table
    assert "5.0 times as fast." in table
    assert msgspec.json.decode((tmp_path / "naive.json").read_bytes())["rows"] == 101_766
