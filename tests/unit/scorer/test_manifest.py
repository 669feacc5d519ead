"""The manifest: what it stores, and what a manifest of an earlier release lacks."""

import json
from pathlib import Path

import msgspec
import pytest

from readmission import contract
from readmission.contract.risk import OperatingPoint, RiskBand
from readmission.scorer import manifest
from readmission.scorer.manifest import ArtifactError, Manifest, Parity


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    point = OperatingPoint(rule="alert 10%", threshold=0.2, alerts=0.1, recall=0.3, precision=0.35)
    manifest.write_manifest(
        tmp_path,
        Manifest(
            contract_version=contract.CONTRACT_VERSION,
            model_name="model",
            family="decision_tree",
            engine="pipeline",
            classes=contract.CLASSES,
            trees=0,
            synthetic=True,
            metrics={},
            run_id="",
            compiled_at="2026-01-01T00:00:00+00:00",
            parity=Parity(1, 0.0),
            files={},
            points=(point,),
            bands=(RiskBand("usual", 0.0),),
            prevalence=0.11,
        ),
    )
    return tmp_path


def test_risk_records_are_read_as_they_were_written(folder: Path) -> None:
    stored = json.loads((folder / manifest.MANIFEST).read_bytes())
    assert stored["bands"] == [{"name": "usual", "at_least": 0.0}] and stored["prevalence"] == 0.11
    assert stored["points"][0]["threshold"] == 0.2
    loaded = manifest.read_manifest(folder)
    assert loaded.bands == (RiskBand("usual", 0.0),) and loaded.points[0].recall == 0.3


def test_a_manifest_of_an_earlier_release_has_no_prevalence(folder: Path) -> None:
    path = folder / manifest.MANIFEST
    stored = json.loads(path.read_bytes())
    del stored["prevalence"]
    path.write_bytes(msgspec.json.encode(stored))
    assert manifest.read_manifest(folder).prevalence is None


def test_another_contract_version_is_refused(folder: Path) -> None:
    path = folder / manifest.MANIFEST
    stored = json.loads(path.read_bytes()) | {"contract_version": contract.CONTRACT_VERSION + 1}
    path.write_bytes(msgspec.json.encode(stored))
    with pytest.raises(ArtifactError, match="contract version"):
        manifest.read_manifest(folder)
