"""Custody of a compiled model: a signed statement of what was approved, beside the manifest that it names.

The statement names the manifest by its hash, which names every file; the Pipeline that batch scoring uses; and what the
approval rested on: data, code, image and verdict. It says nothing of which version should serve: that is the alias.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from readmission.files import file_sha256
from readmission.scorer.manifest import MANIFEST, ArtifactError
from readmission.signatures import SigningKey, Trust

SIGNATURE = "signature.json"
#: Written into a downloaded Pipeline by MLflow, so it is no part of what was signed.
_ADDED = frozenset({"registered_model_meta"})


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """What is signed.

    Attributes:
        manifest_sha256: Hash of the manifest.
        pipeline_sha256: Digest of the Pipeline's files (`digest_folder`); empty if it was not at hand.
        judged_sha256: Digest of the Pipeline that was judged, which scores the batches that the other was fitted on.
        run_id: MLflow run that trained it.
        data_sha256: Hash of the snapshot it was trained on. This and what follows are empty for versions that were
            promoted before signing was on.
        code: Version and commit of the code.
        image: Image with its digest.
        verdict_sha256: Hash of the gates' checks.
        decided_by: Who promoted it.
    """

    manifest_sha256: str
    pipeline_sha256: str
    judged_sha256: str = ""
    run_id: str
    data_sha256: str = ""
    code: str = ""
    image: str = ""
    verdict_sha256: str = ""
    decided_by: str = ""


class _Signed(msgspec.Struct, frozen=True):
    statement: Statement
    signer: str
    signature: str


def sign(key: SigningKey, statement: Statement) -> bytes:
    """Return the content of the file `SIGNATURE`."""
    signed = _Signed(statement, key.public, key.sign(_message(statement)))
    return msgspec.json.format(msgspec.json.encode(signed))


def is_of(content: bytes, key: SigningKey) -> bool:
    """Return whether a valid signature was made with this key rather than another trusted one."""
    return msgspec.json.decode(content, type=_Signed).signer == key.public


def read_statement(content: bytes | None, trust: Trust) -> Statement:
    """Return a statement that a trusted signer has signed.

    Args:
        content: Content of the file `SIGNATURE`; None if it is absent.
        trust: Whose signatures count.

    Raises:
        ArtifactError: It is not signed, not by one of those, or was changed.
    """
    if content is None:
        raise ArtifactError("the model is not signed")
    try:
        signed = msgspec.json.decode(content, type=_Signed)
    except msgspec.MsgspecError:
        raise ArtifactError(f"{SIGNATURE} cannot be read") from None
    if signed.signer not in trust.signers:
        raise ArtifactError("the model is signed with a key that is not trusted here")
    if not trust.confirms(signed.signer, signed.signature, _message(signed.statement)):
        raise ArtifactError("the signature of the model is not valid")
    return signed.statement


def check_manifest(content: bytes | None, manifest: bytes, trust: Trust) -> Statement:
    """Return the statement of a manifest.

    Args:
        content: Content of the file `SIGNATURE`; None if it is absent.
        manifest: Content of the manifest.
        trust: Whose signatures count.

    Raises:
        ArtifactError: The statement is not signed as it must be, or is about another manifest.
    """
    statement = read_statement(content, trust)
    if statement.manifest_sha256 != hashlib.sha256(manifest).hexdigest():
        raise ArtifactError("the model is not the one that was signed")
    return statement


def check_folder(folder: Path, trust: Trust) -> None:
    """Check that a compiled model on disk is signed, if anything has to be.

    Raises:
        ArtifactError: It is not.
    """
    if trust:
        path = folder / SIGNATURE
        check_manifest(path.read_bytes() if path.is_file() else None, (folder / MANIFEST).read_bytes(), trust)


def sign_again(content: bytes, before: bytes, after: bytes, key: SigningKey, trust: Trust) -> bytes | None:
    """Return the signature of a manifest that was changed; None if it must stay as it is.

    It stays if it is that of the new manifest already, as a killed run leaves it, and if it was not valid before: what
    somebody else has changed is not signed in passing.

    Args:
        content: Content of the file `SIGNATURE`.
        before: Manifest as it was.
        after: Manifest as it will be.
        key: Key to sign with.
        trust: Whose signatures count.
    """
    try:
        statement = check_manifest(content, before, trust)
    except ArtifactError:
        return None
    if before == after:
        return None
    return sign(key, msgspec.structs.replace(statement, manifest_sha256=hashlib.sha256(after).hexdigest()))


def digest_of(files: Mapping[str, str]) -> str:
    """Return one digest of many files.

    Args:
        files: Path below the folder -> sha256.
    """
    lines = (f"{name}\0{digest}\n" for name, digest in sorted(files.items()) if name not in _ADDED)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def digest_folder(folder: Path) -> str:
    """Return the digest of a folder of a logged Pipeline."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return digest_of({path.relative_to(folder).as_posix(): file_sha256(path) for path in paths})


def _message(statement: Statement) -> bytes:
    # A context, so that no other signature of the key can stand for one of these.
    return b"readmission model 1\0" + msgspec.json.encode(statement, order="deterministic")
