"""What the page answers, and which files it reads."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from readmission import contract
from serving.demo import form
from serving.demo.client import DemoClient
from serving.demo.page import _predict, is_uploaded


class Api(DemoClient):
    """An API that answers everything."""

    async def predict(self, record: Mapping[str, Any]) -> dict[str, Any]:
        shares = {"NO": 0.7, ">30": 0.2, "<30": 0.1}
        answer = {"prediction_id": "1", "prediction": "NO", "probabilities": shares, "readmission_risk_30d": 0.1}
        return answer | {"model_name": "m", "model_version": "1"}

    async def model_info(self) -> dict[str, Any]:
        return {"model_version": "1"}


@pytest.mark.parametrize("disposition", [1, *contract.EXCLUDED_DISPOSITIONS])
def test_death_and_hospice_get_a_sentence_and_no_number(disposition: int) -> None:
    values = form.fill({**contract.EXAMPLE, "discharge_disposition_id": disposition})
    html, problems = asyncio.run(_predict(Api("http://api"), values, []))
    assert problems == {}
    excluded = disposition in contract.EXCLUDED_DISPOSITIONS
    assert ("died or went to hospice care" in html) == excluded
    assert ("%" in html) != excluded


def test_only_what_lies_below_the_upload_folder_is_uploaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, private = tmp_path / "uploads", tmp_path / "private.csv"
    (folder / "a").mkdir(parents=True)
    private.touch()
    (folder / "a" / "ward.csv").touch()
    (folder / "a" / "link.csv").symlink_to(private)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))
    assert is_uploaded(folder / "a" / "ward.csv")
    for path in (private, folder / ".." / "private.csv", folder / "a" / "link.csv"):
        assert not is_uploaded(path)
