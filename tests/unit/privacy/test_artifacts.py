"""A compiled model is written anew without a patient, and a killed rewriting is put right."""

import hashlib
import io
from typing import Any

import msgspec
import pandas as pd
import pytest

from readmission.data import synthetic
from readmission.features import encoding, history
from readmission.features.visits import Visits
from readmission.privacy.artifacts import rewrite, without


@pytest.fixture
def files() -> dict[str, bytes]:
    text = pd.read_csv(io.BytesIO(synthetic.generate(300, seed=5)), dtype=str, keep_default_na=False, skiprows=1)
    table = history.pack(encoding.typed_frame(text))
    golden = msgspec.json.encode(
        [{"request": {"patient_nbr": 5}, "probabilities": [1, 0, 0]}, {"request": {}, "probabilities": [0, 1, 0]}]
    )
    contents = {"visits.bin": table, "golden.json": golden, "scorer.json": b"{}"}
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    return contents | {"manifest.json": msgspec.json.encode({"files": digests, "history": {}, "family": "x"})}


def check(files: dict[str, bytes]) -> dict[str, Any]:
    manifest: dict[str, Any] = msgspec.json.decode(files["manifest.json"])
    for name, digest in manifest["files"].items():
        assert hashlib.sha256(files[name]).hexdigest() == digest, name
    return manifest


def test_visits_and_real_golden_rows_go(files: dict[str, bytes]) -> None:
    patient = Visits(files["visits.bin"]).patient(3)
    changed, removed = rewrite(files.get, without([patient], []))
    assert list(changed) == ["visits.bin", "golden.json", "manifest.json"] and removed >= 1
    files |= changed
    manifest = check(files)
    assert manifest["family"] == "x" and manifest["history"]["patients"] == Visits(files["visits.bin"]).patients
    assert Visits(files["visits.bin"]).of(patient) == []
    assert [row["request"] for row in msgspec.json.decode(files["golden.json"])] == [{}]
    assert rewrite(files.get, without([patient], [])) == ({}, 0)


def test_a_rewriting_that_was_killed_before_the_manifest_is_completed(files: dict[str, bytes]) -> None:
    patient = Visits(files["visits.bin"]).patient(3)
    changed, _ = rewrite(files.get, without([patient], []))
    files["visits.bin"] = changed["visits.bin"]
    again, removed = rewrite(files.get, without([patient], []))
    assert removed == 0 and list(again) == ["golden.json", "manifest.json"]
    check(files | again)


def test_a_run_without_a_compiled_model_is_left_alone() -> None:
    assert rewrite(lambda name: None, without([1], [])) == ({}, 0)
