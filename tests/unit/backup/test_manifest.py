"""A manifest is read only if it is exactly what was written, in a format that this version knows."""

import hashlib

import msgspec
import pytest

from readmission.backup.manifest import (
    BackupManifest,
    ChampionRecord,
    DatabaseDump,
    StoredFile,
    decode_manifest,
    encode_manifest,
)
from readmission.errors import UserError

MANIFEST = BackupManifest(
    format=1,
    product="0.1.0",
    revision="0005",
    installation="822bcbe2-0000-4000-8000-000000000000",
    created="2026-11-27T07:56:43.832+00:00",
    databases={
        "readmission": DatabaseDump(file="databases/readmission.dump", server=18, client=18, tables={"raw.x": 3})
    },
    files={"objects/a/b.parquet": StoredFile(4, "ab"), "spool/1.log": StoredFile(1, "cd")},
    champion=ChampionRecord(
        model="m", version="3", run_id="r", folder="1/r/artifacts/serving", golden=[(0.1, 0.2, 0.7)]
    ),
    secrets="secrets.enc",
)


def test_what_is_written_is_read() -> None:
    assert decode_manifest(*encode_manifest(MANIFEST), "b") == MANIFEST


def test_an_area_has_keys_of_its_own() -> None:
    assert MANIFEST.area("objects") == {"a/b.parquet": StoredFile(4, "ab")}
    assert MANIFEST.area("artifacts") == {}


@pytest.mark.parametrize("position", [0, 40, -1])
def test_any_changed_byte_is_damage(position: int) -> None:
    content, digest = encode_manifest(MANIFEST)
    changed = bytearray(content)
    changed[position] ^= 1
    with pytest.raises(UserError, match="damaged"):
        decode_manifest(bytes(changed), digest, "b")
    with pytest.raises(UserError, match="damaged"):
        decode_manifest(content[:-1], digest, "b")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (encode_manifest(msgspec.structs.replace(MANIFEST, format=2))[0], "format 2; this version reads format 1"),
        (b"[]", "damaged"),
        (b"{}", "damaged"),
        (b'{"format": 1}', "damaged"),
        (b"", "damaged"),
    ],
)
def test_what_is_no_manifest_of_ours_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(UserError, match=message):
        decode_manifest(content, hashlib.sha256(content).hexdigest().encode(), "b")


@pytest.mark.parametrize("key", ["/etc/passwd", "objects/../../home/x", "../x"])
def test_a_file_outside_of_the_backup_is_refused(key: str) -> None:
    content, digest = encode_manifest(msgspec.structs.replace(MANIFEST, files={key: StoredFile(1, "ab")}))
    with pytest.raises(UserError, match="outside of it"):
        decode_manifest(content, digest, "b")
