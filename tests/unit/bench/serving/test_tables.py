"""The report of a comparison."""

from pathlib import Path

import msgspec

from bench.serving import tables, verdict
from tests.unit.bench.serving.sessions import session

MODEL = {"family": "lightgbm", "trees": 200, "rows": 10, "synthetic": True}


def test_tables_and_picture_are_written(tmp_path: Path) -> None:
    text = tables.write(tmp_path, session(), MODEL, verdict.promises(session(), 2))
    assert "| **readmission API** | 5,000 (5,000–5,000) | 0.5 |" in text
    assert "| single rows, times pyfunc | >= 100 x | 125.00 x | PASS |" in text
    assert (tmp_path / "bench.md").read_text() == text
    assert msgspec.json.decode((tmp_path / "bench.json").read_bytes())["model"] == MODEL
    assert (tmp_path / "bench.svg").stat().st_size > 1000
