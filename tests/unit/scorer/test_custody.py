"""A statement is believed only if somebody trusted has signed it, and it is about this manifest."""

import hashlib
from pathlib import Path

import pytest

from readmission.scorer import custody
from readmission.scorer.custody import Statement
from readmission.scorer.manifest import ArtifactError
from readmission.signatures import NOBODY, SigningKey, Trust

KEY, OTHER = SigningKey("s" * 32), SigningKey("o" * 32)
TRUST = Trust([KEY.public])
MANIFEST = b'{"files": {}}'


def signed(manifest: bytes = MANIFEST, key: SigningKey = KEY) -> bytes:
    digest = hashlib.sha256(manifest).hexdigest()
    return custody.sign(key, Statement(manifest_sha256=digest, pipeline_sha256="p", run_id="r", decided_by="Ada"))


def test_a_signed_manifest_is_believed() -> None:
    assert custody.check_manifest(signed(), MANIFEST, TRUST).decided_by == "Ada"
    assert custody.is_of(signed(), KEY) and not custody.is_of(signed(), OTHER)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "is not signed"),
        (b"{", "cannot be read"),
        (signed(key=OTHER), "not trusted here"),
        (signed().replace(b"Ada", b"Eve"), "signature of the model is not valid"),
        (signed(key=OTHER).replace(OTHER.public.encode(), KEY.public.encode()), "is not valid"),
        (signed(b"{}"), "not the one that was signed"),
    ],
)
def test_anything_else_is_refused(content: bytes | None, reason: str) -> None:
    with pytest.raises(ArtifactError, match=reason):
        custody.check_manifest(content, MANIFEST, TRUST)


def test_a_folder_needs_a_signature_only_if_somebody_is_trusted(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(MANIFEST)
    custody.check_folder(tmp_path, NOBODY)
    with pytest.raises(ArtifactError, match="is not signed"):
        custody.check_folder(tmp_path, TRUST)
    (tmp_path / custody.SIGNATURE).write_bytes(signed())
    custody.check_folder(tmp_path, TRUST)


def test_what_was_valid_is_signed_again_and_nothing_else() -> None:
    after = b'{"files": {"x": "y"}}'
    again = custody.sign_again(signed(), MANIFEST, after, KEY, TRUST)
    assert again is not None and custody.check_manifest(again, after, TRUST).decided_by == "Ada"
    assert custody.sign_again(again, MANIFEST, after, KEY, TRUST) is None, "a killed run had signed it"
    assert custody.sign_again(signed(b"{}"), MANIFEST, after, KEY, TRUST) is None, "somebody had changed it"
    assert custody.sign_again(signed(), MANIFEST, MANIFEST, KEY, TRUST) is None


def test_a_pipeline_is_named_by_every_file_but_what_the_registry_adds(tmp_path: Path) -> None:
    (tmp_path / "model.skops").write_bytes(b"1")
    digest = custody.digest_folder(tmp_path)
    (tmp_path / "registered_model_meta").write_bytes(b"2")
    assert custody.digest_folder(tmp_path) == digest
    (tmp_path / "MLmodel").write_bytes(b"3")
    assert custody.digest_folder(tmp_path) != digest
