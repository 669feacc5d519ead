"""The allow-list: its file, its key sets, and mistakes in them. tests/integration/api/test_clinic.py sends tokens."""

import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from serving.clinic.clients import CdsClients, read_allow_list, read_keys
from serving.http import Refused


def write(path: Path, *clients: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"clients": clients}))
    return path


@pytest.mark.parametrize(
    "client",
    [
        {"name": "a", "issuer": "https://a.example.org"},
        {"name": "a", "issuer": "", "jwks_file": "k"},
        {"name": "a", "issuer": "x", "jwks_url": "http://a.example.org/jwks"},
        {"name": "a", "issuer": "x", "jwks_file": "k", "secret": "s"},
    ],
)
def test_a_client_without_an_issuer_or_safe_keys_is_refused(client: dict[str, Any], tmp_path: Path) -> None:
    path = write(tmp_path / "clients.json", client)
    with pytest.raises(ValueError):
        read_allow_list(path)
    clients = CdsClients(path, tmp_path)
    assert clients.active and "cannot be read" in clients.problem
    with pytest.raises(Refused):
        clients.verify(b"Bearer x.y.z", "https://api.example.org")


def test_a_list_that_breaks_later_leaves_the_last_one(tmp_path: Path) -> None:
    path = write(tmp_path / "clients.json", {"name": "a", "issuer": "x", "jwks_file": "k"})
    clients = CdsClients(path, tmp_path)
    assert not clients.problem
    path.write_text("{")
    clients.refresh()
    assert "cannot be read" in clients.problem
    write(path, {"name": "a", "issuer": "y", "jwks_file": "k"})
    clients.refresh()
    assert not clients.problem


def test_only_public_keys_of_the_two_kinds_are_taken() -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    public = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    private = jwt.algorithms.ECAlgorithm.to_jwk(key, as_dict=True)
    small = jwt.algorithms.ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True)
    keys: list[dict[str, Any]] = [
        {**public, "kid": "good"},
        {**private, "kid": "private"},
        {**small, "kid": "small"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "secret"},
        {"kty": "EC", "kid": "broken"},
        public,
    ]
    assert set(read_keys(json.dumps({"keys": keys}).encode())) == {"good"}
