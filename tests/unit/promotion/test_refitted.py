"""Where a candidate is not fitted again."""

from typing import Any

import pytest

from readmission.promotion import refitted
from readmission.settings import Settings
from tests.unit.promotion.test_candidates import MODEL


@pytest.mark.parametrize("changed", [{"refit": False}, {"engine": "dask"}])
def test_the_judged_model_serves_where_the_settings_or_the_engine_ask_for_it(changed: dict[str, Any]) -> None:
    nobody: Any = None
    assert refitted.find_or_fit(Settings().replace(**changed), nobody, MODEL, nobody) is None
