"""Folders and buckets by their URL, with the credentials that belong to them."""

import io
from pathlib import Path

import pytest
from pydantic import SecretStr

from readmission.backup.locations import Bucket, Folder, copy_file, hash_file, open_backups, open_location
from readmission.errors import UserError
from readmission.settings import Settings


def settings(**values: object) -> Settings:
    return Settings(_env_file=None, **values)  # type: ignore[arg-type]


def test_a_file_is_copied_and_hashed_whole(tmp_path: Path) -> None:
    source, target = Folder(tmp_path / "a"), Folder(tmp_path / "b", private=True)
    source.put("x/y", io.BytesIO(b"content"))
    stored = copy_file(source, "x/y", target, "z")
    assert stored == hash_file(target, "z") == hash_file(source, "x/y")
    assert stored.bytes == 7
    assert (tmp_path / "b/z").stat().st_mode & 0o077 == 0
    with pytest.raises(KeyError):
        copy_file(source, "absent", target, "z")


def test_a_path_is_a_folder_and_an_s3_url_a_bucket(tmp_path: Path) -> None:
    assert isinstance(open_location(str(tmp_path)), Folder)
    assert isinstance(open_backups(settings(), str(tmp_path)), Folder)
    assert isinstance(open_backups(settings(s3_endpoint="http://data"), "s3://bucket/prefix"), Bucket)


def test_backups_may_be_in_another_s3_with_other_keys() -> None:
    other = settings(
        s3_endpoint="http://data:9000",
        backup_s3_endpoint="http://elsewhere:9000",
        backup_s3_access_key=SecretStr("access"),
        backup_s3_secret_key=SecretStr("secret"),
    )
    bucket = open_backups(other, "s3://bucket/prefix")
    assert isinstance(bucket, Bucket)
    assert bucket._client.meta.endpoint_url == "http://elsewhere:9000"
    credentials = bucket._client._request_signer._credentials
    assert (credentials.access_key, credentials.secret_key) == ("access", "secret")


@pytest.mark.parametrize("name", ["backup_s3_access_key", "backup_s3_secret_key"])
def test_one_key_without_the_other_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="both, or neither"):
        open_backups(settings(**{name: SecretStr("x")}), "s3://bucket/prefix")
