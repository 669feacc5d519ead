"""A compiled model is written anew without a patient, and a killed rewriting is put right."""

import hashlib
import io
from typing import Any

import msgspec
import pandas as pd
import pytest

from readmission import signatures
from readmission.data import synthetic
from readmission.errors import UserError
from readmission.features import encoding, history
from readmission.features.visits import Visits
from readmission.privacy.artifacts import Signer, rewrite, without
from readmission.scorer import custody
from readmission.scorer.custody import Statement
from readmission.signatures import SigningKey


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


NOBODY = Signer(None, signatures.NOBODY)


def check(files: dict[str, bytes]) -> dict[str, Any]:
    manifest: dict[str, Any] = msgspec.json.decode(files["manifest.json"])
    for name, digest in manifest["files"].items():
        assert hashlib.sha256(files[name]).hexdigest() == digest, name
    return manifest


def test_visits_and_real_golden_rows_go(files: dict[str, bytes]) -> None:
    patient = Visits(files["visits.bin"]).patient(3)
    changed, removed = rewrite(files.get, without([patient], []), NOBODY)
    assert list(changed) == ["visits.bin", "golden.json", "manifest.json"] and removed >= 1
    files |= changed
    manifest = check(files)
    assert manifest["family"] == "x" and manifest["history"]["patients"] == Visits(files["visits.bin"]).patients
    assert Visits(files["visits.bin"]).of(patient) == []
    assert [row["request"] for row in msgspec.json.decode(files["golden.json"])] == [{}]
    assert rewrite(files.get, without([patient], []), NOBODY) == ({}, 0)


def test_a_rewriting_that_was_killed_before_the_manifest_is_completed(files: dict[str, bytes]) -> None:
    patient = Visits(files["visits.bin"]).patient(3)
    changed, _ = rewrite(files.get, without([patient], []), NOBODY)
    files["visits.bin"] = changed["visits.bin"]
    again, removed = rewrite(files.get, without([patient], []), NOBODY)
    assert removed == 0 and list(again) == ["golden.json", "manifest.json"]
    check(files | again)


def test_a_run_without_a_compiled_model_is_left_alone() -> None:
    assert rewrite(lambda name: None, without([1], []), NOBODY) == ({}, 0)


def test_a_signed_model_is_signed_again_also_after_a_kill(files: dict[str, bytes]) -> None:
    key = SigningKey("s" * 32)
    signer = Signer(key, signatures.Trust([key.public]))
    digest = hashlib.sha256(files["manifest.json"]).hexdigest()
    files["signature.json"] = custody.sign(key, Statement(manifest_sha256=digest, pipeline_sha256="p", run_id="r"))
    remove = without([Visits(files["visits.bin"]).patient(3)], [])
    with pytest.raises(UserError, match="READMISSION_SIGNING_KEY"):
        rewrite(files.get, remove, NOBODY)
    changed, _ = rewrite(files.get, remove, signer)
    assert list(changed) == ["signature.json", "visits.bin", "golden.json", "manifest.json"]
    for written in range(1, len(changed) + 1):
        killed = files | dict(list(changed.items())[:written])
        whole = killed | rewrite(killed.get, remove, signer)[0]
        custody.check_manifest(whole["signature.json"], whole["manifest.json"], signer.trust)
        check(whole)


def test_what_somebody_has_changed_is_not_signed_in_passing(files: dict[str, bytes]) -> None:
    key = SigningKey("s" * 32)
    signer = Signer(key, signatures.Trust([key.public]))
    files["signature.json"] = custody.sign(key, Statement(manifest_sha256="of", pipeline_sha256="another", run_id="r"))
    changed, _ = rewrite(files.get, without([Visits(files["visits.bin"]).patient(3)], []), signer)
    assert "signature.json" not in changed and "visits.bin" in changed
