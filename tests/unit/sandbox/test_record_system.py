"""The sandbox's record system: its key, and tokens that the service takes once."""

import stat
from pathlib import Path

import pytest

from readmission.errors import UserError
from readmission.sandbox import record_system
from readmission.sandbox.hospital import Hospital
from readmission.sandbox.record_system import HookCall, RecordSystem
from serving.clinic.clients import CdsClients
from serving.http import Refused


def test_its_tokens_are_good_once_and_for_one_url(tmp_path: Path) -> None:
    key = record_system.make_key(tmp_path / "keys" / "key.pem")
    (tmp_path / "jwks.json").write_text(record_system.key_set(key))
    listed = f'{{"clients": [{{"name": "s", "issuer": "{record_system.ISSUER}", "jwks_file": "jwks.json"}}]}}'
    (tmp_path / "clients.json").write_text(listed)
    clients = CdsClients(tmp_path / "clients.json", tmp_path)
    system = RecordSystem("http://127.0.0.1:9/", key, Hospital([]))
    bearer = b"Bearer " + system.sign("/cds-services/x").encode()
    with pytest.raises(Refused):
        clients.verify(bearer, "http://127.0.0.1:9/cds-services/y")
    assert clients.verify(bearer, "http://127.0.0.1:9/cds-services/x") == "s"
    with pytest.raises(Refused):
        clients.verify(bearer, "http://127.0.0.1:9/cds-services/x")


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    first = record_system.key_set(record_system.make_key(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert record_system.key_set(record_system.make_key(path)) == first and '"d"' not in first


def test_another_kind_of_key_is_refused(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, 2048)
    form, no_password = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (tmp_path / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, no_password))
    with pytest.raises(UserError, match="delete it"):
        record_system.make_key(tmp_path / "key.pem")


def test_a_refusal_has_no_cards() -> None:
    assert HookCall(request={}, status=412, answer={"error": "x"}, seconds=0.1).cards == []
