"""Secrets of an installation, as a backup holds them: encrypted with a key that only the site has."""

import base64
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from readmission.errors import UserError
from readmission.files import write_atomic
from readmission.settings import SECRETS, Settings
from readmission.signatures import SigningKey, read_signers

FILE = "secrets.enc"
_MAGIC = b"readmission-secrets-1\n"
_SALT = _NONCE = 16
_LEAST = 20
#: Secrets of the backups themselves, which no backup needs to hold.
_OF_BACKUPS = {"backup_key", "backup_s3_access_key", "backup_s3_secret_key"}
#: Secrets under which restored rows are encrypted; they follow the data. The others belong to the server they open.
FOLLOW_DATA = ("READMISSION_AIRFLOW_SECRET",)
#: Secret under which patients have pseudonyms, and its earlier values: those of a backup join those that are there.
_PATIENT_KEY, _PREVIOUS_KEYS = "READMISSION_PATIENT_KEY", "READMISSION_PREVIOUS_PATIENT_KEYS"

#: Key of signatures, and public keys of others that count: the backup's joins them.
_SIGNING_KEY, _SIGNERS = "READMISSION_SIGNING_KEY", "READMISSION_TRUSTED_SIGNERS"


class Export(msgspec.Struct, frozen=True):
    """Secrets by variable, and files by name: settings.env of the home folder, the API's keys."""

    variables: dict[str, str]
    files: dict[str, str]


def read_key(settings: Settings) -> str | None:
    """Return the site's key for backups; None if neither of its settings is set.

    Raises:
        UserError: The key file cannot be read, or the key is too short.
    """
    if settings.backup.key is not None:
        key, source = settings.backup.key.get_secret_value(), "READMISSION_BACKUP_KEY"
    elif settings.backup.key_file is not None:
        source = f"the key in {settings.backup.key_file}"
        try:
            key = settings.backup.key_file.expanduser().read_text().strip()
        except OSError as error:
            raise UserError(
                f"READMISSION_BACKUP_KEY_FILE: {settings.backup.key_file} cannot be read ({error.strerror})."
            ) from error
    else:
        return None
    if len(key) < _LEAST:
        raise UserError(f"{source} is too short: at least {_LEAST} characters, such as from `openssl rand -base64 32`.")
    return key


def collect(settings: Settings) -> Export:
    """Gather every secret that is set, the home folder's settings.env and the API's keys."""
    secrets = {name: settings.value(name) for name in sorted(SECRETS - _OF_BACKUPS)}
    variables = {f"READMISSION_{name.upper()}": value.get_secret_value() for name, value in secrets.items() if value}
    paths = {"settings.env": settings.home / "settings.env"}
    if settings.api.keys is not None:
        paths["api_keys"] = settings.api.keys
    return Export(variables, {name: path.read_text() for name, path in paths.items() if path.is_file()})


def seal(export: Export, key: str) -> bytes:
    """Encrypt (AES-256-GCM under scrypt of the key, with a salt of its own)."""
    salt, nonce = os.urandom(_SALT), os.urandom(_NONCE)
    return _MAGIC + salt + nonce + AESGCM(_derive(key, salt)).encrypt(nonce, msgspec.json.encode(export), _MAGIC)


def unseal(data: bytes, key: str) -> Export:
    """Decrypt.

    Raises:
        UserError: The key is another one, or the data was changed.
    """
    body = data.removeprefix(_MAGIC)
    salt, nonce, encrypted = body[:_SALT], body[_SALT : _SALT + _NONCE], body[_SALT + _NONCE :]
    try:
        return msgspec.json.decode(AESGCM(_derive(key, salt)).decrypt(nonce, encrypted, _MAGIC), type=Export)
    except (InvalidTag, ValueError) as error:
        raise UserError(
            "The backup's secrets cannot be decrypted: READMISSION_BACKUP_KEY is not the key that encrypted them."
        ) from error


def _derive(key: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, n=2**15, r=8, p=1).derive(key.encode())


def write_home(export: Export, home: Path) -> None:
    """Give a new embedded home folder the secrets and the settings file of the backup."""
    home.mkdir(parents=True, exist_ok=True)
    _write_variables(home / "secrets.env", export.variables)
    if "settings.env" in export.files and not (home / "settings.env").exists():
        write_atomic(home / "settings.env", export.files["settings.env"], mode=0o600, sync=True)


def follow_data(export: Export, home: Path) -> None:
    """Give an embedded home folder the secrets under which restored rows are encrypted or keyed.

    The present key of patients stays, because later tombstones are made with it; the backup's becomes an earlier one.
    """
    path = home / "secrets.env"
    present = dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)
    merged = present | {name: export.variables[name] for name in FOLLOW_DATA if name in export.variables}
    earlier = [present.get(_PREVIOUS_KEYS), export.variables.get(_PATIENT_KEY), export.variables.get(_PREVIOUS_KEYS)]
    keys = dict.fromkeys(key for text in earlier if text for key in text.split(","))
    keys.pop(present.get(_PATIENT_KEY, ""), None)
    if keys:
        merged[_PREVIOUS_KEYS] = ",".join(keys)
    if (secret := export.variables.get(_SIGNING_KEY)) and secret != present.get(_SIGNING_KEY):
        # Restored versions are signed with the backup's key.
        signers = dict.fromkeys([*read_signers(present.get(_SIGNERS, "")), SigningKey(secret).public])
        merged[_SIGNERS] = ",".join(signers)
    if merged != present:
        _write_variables(path, merged)


def _write_variables(path: Path, variables: Mapping[str, str]) -> None:
    write_atomic(path, "".join(f"{name}={value}\n" for name, value in variables.items()), mode=0o600, sync=True)


def write_readable(export: Export, path: Path) -> None:
    """Write decrypted secrets to a file that only its owner may read, for whoever makes them anew on a cluster."""
    lines = [f"{name}={value}\n" for name, value in export.variables.items()]
    lines += [f"# {name} (base64): {base64.b64encode(text.encode()).decode()}\n" for name, text in export.files.items()]
    write_atomic(path, "".join(lines), mode=0o600, sync=True)
