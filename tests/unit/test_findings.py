"""Every test that a report names for a finding exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "docs/reports/2026-11-27-pipeline-findings.md"
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", REPORT.read_text())))


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_the_test_of_a_finding_exists(file: str, name: str) -> None:
    assert f"def {name}(" in (ROOT / file).read_text()


def test_every_finding_has_a_test_or_is_called_open() -> None:
    rows = [line for line in REPORT.read_text().splitlines() if line.startswith("| ") and "held by" not in line]
    assert len(rows) > 30 and all("::" in row or "**open**" in row for row in rows)
