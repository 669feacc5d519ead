"""docs/metrics.md says what the API and the demo expose."""

from types import ModuleType

import pytest
from prometheus_client.metrics import MetricWrapperBase

from serving import metrics
from serving.demo import page
from tests.metrics_page import documented


@pytest.mark.parametrize(("section", "module"), [("API", metrics), ("Demo", page)])
def test_the_page_lists_every_metric_with_type_unit_and_labels(section: str, module: ModuleType) -> None:
    real = {
        m._name + ("_total" if m._type == "counter" else ""): (m._type, set(m._labelnames))
        for m in vars(module).values()
        if isinstance(m, MetricWrapperBase)
    }
    assert documented(section) == real
