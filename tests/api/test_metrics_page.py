"""docs/metrics.md says what the API exposes."""

import re
from pathlib import Path

from prometheus_client.metrics import MetricWrapperBase

from serving import metrics

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()


def test_the_page_lists_every_metric_of_the_api_with_type_and_labels() -> None:
    section = PAGE.partition("\n## API\n")[2].partition("\n## ")[0]
    told = {
        row[0]: (row[1], set(re.findall(r"`(\w+)`", row[2])))
        for row in re.findall(r"^\| `(readmission_\w+)` \| (\w+) \| [^|]+ \| ([^|]+) \|", section, re.MULTILINE)
    }
    real = {
        m._name + ("_total" if m._type == "counter" else ""): (m._type, set(m._labelnames))
        for m in vars(metrics).values()
        if isinstance(m, MetricWrapperBase)
    }
    assert told == real
