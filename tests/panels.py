"""The panels of charts/observability/panels.yaml and their queries."""

import re
from pathlib import Path
from typing import Any

import yaml

_BOARDS = yaml.safe_load((Path(__file__).parents[1] / "charts" / "observability" / "panels.yaml").read_text())
PANELS: list[dict[str, Any]] = [panel for board in _BOARDS.values() for row in board["rows"] for panel in row["panels"]]


def expand(query: str) -> str:
    """Replace a dashboard's variables by "all", as Grafana does."""
    return re.sub(r"\$(namespace|model_version)", ".*", query)
