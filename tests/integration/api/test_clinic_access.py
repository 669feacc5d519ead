"""Record systems at the door: tokens, key sets and browsers that may call, and those that must not."""

import base64
import hmac
import json
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from serving.clinic import hooks
from tests.conftest import free_port
from tests.integration.api.record_system import (
    CALL,
    ISSUER,
    KEYS,
    ORIGIN,
    STRANGER,
    URL,
    call,
    key_set,
    request,
    start_clinic,
    token,
)
from tests.integration.api.tools import Api, install


@pytest.fixture(scope="module")
def api(compiled: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    running = start_clinic(tmp_path_factory.mktemp("clinic"), compiled["lightgbm"])
    yield running
    assert running.stop() == 0


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _signed_part(algorithm: str, claims: dict[str, Any]) -> str:
    header = {"alg": algorithm, "typ": "JWT", "kid": "ES384"}
    return f"{_encoded(json.dumps(header).encode())}.{_encoded(json.dumps(claims).encode())}"


def _unsigned(claims: dict[str, Any]) -> str:
    return _signed_part("none", claims) + "."


def _with_secret(claims: dict[str, Any]) -> str:
    """Sign with what everybody knows, the public key, as if it were a shared secret."""
    part = _signed_part("HS384", claims)
    secret = json.dumps(key_set()["keys"][1]).encode()
    return f"{part}.{_encoded(hmac.new(secret, part.encode(), 'sha384').digest())}"


def test_tokens_that_must_not_pass(api: Api) -> None:
    now = int(time.time())
    usual = {"iss": ISSUER, "aud": CALL, "iat": now, "exp": now + 60, "jti": str(uuid.uuid4())}
    bad = {
        "forged": (token(key=STRANGER), "the token is refused"),
        "expired": (token(iat=now - 120, exp=now - 60), "expired"),
        "not yet issued": (token(iat=now + 600, exp=now + 660), "the token is refused"),
        "of another audience": (token(aud=f"{URL}/cds-services"), "aud"),
        "for another host": (token(aud=f"https://other.example.org{hooks.CALL}"), "aud"),
        "of another issuer": (token(iss="https://elsewhere.example.org"), "issuer"),
        "with an unlisted key set": (token(header={"jku": "https://elsewhere.example.org/jwks.json"}), "jku"),
        "of an unknown key": (token(header={"kid": "new"}), "kid"),
        "unsigned": (_unsigned(usual), "RS384"),
        "with a shared secret": (_with_secret(usual), "RS384"),
        "with a short hash": (jwt.encode(usual, KEYS["RS384"], "RS256", {"kid": "RS384"}), "RS384"),
        "without an id": (token(jti=None), "the token is refused"),
        "that lives long": (token(exp=now + 3600), "300 seconds"),
        "that is none": ("x.y.z", "not a JWT"),
        "that is huge": ("x" * 9000, "needed"),
    }
    for name, (bearer, reason) in bad.items():
        answer = call(api, bearer=bearer)
        assert answer.status_code == 401, name
        assert reason in answer.json()["error"], (name, answer.text)
        assert answer.headers["www-authenticate"] == "Bearer"
    assert api.http.post(hooks.CALL, json=request()).status_code == 401


def test_a_token_passes_once(api: Api) -> None:
    once = token()
    assert call(api, bearer=once).status_code == 200
    replayed = call(api, bearer=once)
    assert replayed.status_code == 401 and "used before" in replayed.json()["error"]
    assert call(api, bearer=token(aud=[CALL])).status_code == 200


def test_a_rotated_key_is_read_without_a_restart(api: Api) -> None:
    fresh = ec.generate_private_key(ec.SECP384R1())
    bearer = token(key=fresh, header={"kid": "next"})
    assert call(api, bearer=bearer).status_code == 401
    content = key_set()
    content["keys"].append({**jwt.algorithms.ECAlgorithm.to_jwk(fresh.public_key(), as_dict=True), "kid": "next"})
    (api.home / "jwks.json").write_text(json.dumps(content))
    time.sleep(1.5)
    assert call(api, bearer=bearer).status_code == 200


def test_browsers_of_listed_origins_may_call(api: Api) -> None:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
    answer = api.http.options(hooks.CALL, headers={"origin": ORIGIN, **asked})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, ORIGIN)
    assert call(api, origin=ORIGIN).headers["access-control-allow-origin"] == ORIGIN
    stranger = api.http.options(hooks.CALL, headers={"origin": "https://evil.example.org", **asked})
    assert stranger.status_code == 400 and "access-control-allow-origin" not in stranger.headers


def test_without_a_list_of_record_systems_the_door_is_closed(compiled: dict[str, Path], tmp_path: Path) -> None:
    install(tmp_path, compiled["lightgbm"], "1")
    api = Api(tmp_path, {}).wait("/readyz")
    answer = call(api)
    assert answer.status_code == 401 and "READMISSION_CDS_CLIENTS" in answer.json()["error"]
    assert api.stop() == 0


def test_key_sets_of_listed_urls_are_fetched(compiled: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "jwks.json").write_text(json.dumps(key_set()))
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "http.server",
        str(port),
        "--bind",
        "127.0.0.1",
        "--directory",
        str(tmp_path / "www"),
    ]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    install(tmp_path, compiled["lightgbm"], "1")
    url = f"http://127.0.0.1:{port}/jwks.json"
    listed = {"clients": [{"name": "st-mary", "issuer": ISSUER, "jwks_url": url}]}
    (tmp_path / "clients.json").write_text(json.dumps(listed))
    environment = {"READMISSION_CDS_CLIENTS": str(tmp_path / "clients.json"), "READMISSION_CDS_URL": URL}
    api = Api(tmp_path, environment).wait("/readyz")
    try:
        deadline = time.monotonic() + 30
        while (answer := call(api, bearer=token(header={"jku": url}))).status_code != 200:
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.3)
    finally:
        server.terminate()
        server.wait(10)
    assert api.stop() == 0
