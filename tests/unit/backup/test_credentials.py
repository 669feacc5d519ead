"""Secrets leave a machine encrypted only, and come back where they belong."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from readmission.backup import credentials
from readmission.backup.credentials import Export
from readmission.errors import UserError
from readmission.settings import Settings

KEY = "twenty characters at least"
EXPORT = Export(
    {"READMISSION_POSTGRES_PASSWORD_OWNER": "one", "READMISSION_AIRFLOW_SECRET": "two"},
    {"settings.env": "READMISSION_SEED=8\n"},
)


def test_sealed_secrets_open_with_their_key_only() -> None:
    sealed = credentials.seal(EXPORT, KEY)
    assert b"one" not in sealed and b"READMISSION_POSTGRES" not in sealed
    assert credentials.unseal(sealed, KEY) == EXPORT
    assert credentials.seal(EXPORT, KEY) != sealed, "the same salt twice"
    changed = bytearray(sealed)
    changed[-1] ^= 1
    for data, key in ((sealed, KEY + "!"), (bytes(changed), KEY), (sealed[:-5], KEY), (b"", KEY)):
        with pytest.raises(UserError, match="cannot be decrypted"):
            credentials.unseal(data, key)


def test_every_secret_that_is_set_is_collected_but_not_the_key(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("name:hash:scopes\n")
    (tmp_path / "settings.env").write_text("READMISSION_SEED=8\n")
    of_backups: dict[str, Any] = {
        name: SecretStr(KEY) for name in ("backup_key", "backup_s3_access_key", "backup_s3_secret_key")
    }
    settings = Settings(home=tmp_path, reload_token=SecretStr("t"), api_keys=keys, _env_file=None, **of_backups)
    export = credentials.collect(settings)
    assert export.variables == {"READMISSION_RELOAD_TOKEN": "t"}
    assert export.files == {"settings.env": "READMISSION_SEED=8\n", "api_keys": "name:hash:scopes\n"}


def test_a_new_home_gets_all_and_an_old_one_only_what_follows_the_data(tmp_path: Path) -> None:
    new, old = tmp_path / "new", tmp_path / "old"
    credentials.write_home(EXPORT, new)
    assert (new / "secrets.env").read_text() == (
        "READMISSION_POSTGRES_PASSWORD_OWNER=one\nREADMISSION_AIRFLOW_SECRET=two\n"
    )
    assert (new / "secrets.env").stat().st_mode & 0o777 == 0o600
    assert (new / "settings.env").read_text() == "READMISSION_SEED=8\n"
    old.mkdir()
    (old / "secrets.env").write_text("READMISSION_POSTGRES_PASSWORD_OWNER=mine\nREADMISSION_AIRFLOW_SECRET=mine\n")
    credentials.follow_data(EXPORT, old)
    assert (old / "secrets.env").read_text() == (
        "READMISSION_POSTGRES_PASSWORD_OWNER=mine\nREADMISSION_AIRFLOW_SECRET=two\n"
    )


def test_a_key_comes_from_its_variable_or_a_file_and_is_long_enough(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY + "\n")
    bare = Settings(home=tmp_path, _env_file=None)
    assert credentials.read_key(bare) is None
    assert credentials.read_key(bare.replace(backup_key_file=file)) == KEY
    assert credentials.read_key(bare.replace(backup_key=SecretStr(KEY))) == KEY
    with pytest.raises(UserError, match="too short"):
        credentials.read_key(bare.replace(backup_key=SecretStr("short")))
    with pytest.raises(UserError, match="cannot be read"):
        credentials.read_key(bare.replace(backup_key_file=tmp_path / "absent"))


def test_readable_secrets_are_for_their_owner_only(tmp_path: Path) -> None:
    credentials.write_readable(EXPORT, tmp_path / "out")
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o600
    assert "READMISSION_AIRFLOW_SECRET=two\n" in (tmp_path / "out").read_text()
