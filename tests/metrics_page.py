"""docs/metrics.md as data."""

import re
from pathlib import Path

PAGE = (Path(__file__).parents[1] / "docs" / "metrics.md").read_text()
UNITS = {"count", "seconds", "ratio", "bytes", "number"}


def documented(section: str) -> dict[str, tuple[str, set[str]]]:
    """Return what one section lists: name -> (type, labels); each row has a unit that fits the name."""
    text = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(readmission_\w+)` \| (\w+) \| (\w+) \| ([^|]+) \| [^|]+ \|$", text, re.M)
    assert len(rows) == len(re.findall(r"^\| `readmission_", text, re.M)), f"{section}: a row has not five columns"
    for name, _, unit, _ in rows:
        assert unit in UNITS, (name, unit)
        for word in ("seconds", "bytes", "ratio"):
            assert word not in name.removesuffix("_total").rsplit("_", 1)[-1] or unit == word, (name, unit)
    return {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, _, labels in rows}
