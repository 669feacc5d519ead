"""Signatures are made with a secret and checked with public keys."""

import subprocess
import sys

import pytest

from readmission.signatures import NOBODY, SigningKey, Trust, read_signers

KEY, OTHER = SigningKey("s" * 32), SigningKey("o" * 32)


def test_only_a_trusted_signer_confirms_only_what_was_signed() -> None:
    signature = KEY.sign(b"text")
    assert Trust([KEY.public]).confirms(KEY.public, signature, b"text")
    assert not Trust([KEY.public]).confirms(KEY.public, signature, b"other")
    assert not Trust([OTHER.public]).confirms(KEY.public, signature, b"text")
    assert not Trust([OTHER.public]).confirms(OTHER.public, signature, b"text")
    assert not Trust([KEY.public]).confirms(KEY.public, "no hex", b"text")


def test_the_same_secret_is_the_same_key_and_nobody_is_trusted_by_default() -> None:
    assert SigningKey("s" * 32).public == KEY.public != OTHER.public
    assert not NOBODY and Trust([KEY.public])


def test_public_keys_are_read_from_a_setting() -> None:
    assert read_signers("") == []
    assert read_signers(f" {KEY.public.upper()}, {OTHER.public},") == [KEY.public, OTHER.public]
    with pytest.raises(ValueError, match="64 hex digits"):
        read_signers("abc")


def test_settings_import_no_cryptography() -> None:
    code = "import sys, readmission.settings; sys.exit('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
