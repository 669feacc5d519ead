"""A record system that calls the API: its keys, tokens, resources and calls of CDS Hooks."""

import copy
import datetime
import json
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from readmission import contract
from serving.clinic import hooks
from tests import fhir_stay
from tests.integration.api.tools import Api, install

URL = "https://readmission.example.org"


ISSUER = "https://ehr.example.org"


CALL = f"{URL}{hooks.CALL}"


ORIGIN = "https://browser.example.org"


#: Columns that FHIR does not say: they are missing in the answer of /predict as well.
RECORD = {k: v for k, v in contract.EXAMPLE.items() if k not in ("weight", "payer_code")}


KEYS: dict[str, Any] = {
    "RS384": rsa.generate_private_key(65537, 2048),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
}


STRANGER = ec.generate_private_key(ec.SECP384R1())


def key_set() -> dict[str, Any]:
    algorithms: dict[str, Any] = {"RS384": jwt.algorithms.RSAAlgorithm, "ES384": jwt.algorithms.ECAlgorithm}
    return {
        "keys": [
            {**algorithms[name].to_jwk(key.public_key(), as_dict=True), "kid": name, "use": "sig"}
            for name, key in KEYS.items()
        ]
    }


def token(algorithm: str = "ES384", key: Any = None, header: dict[str, Any] | None = None, **claims: object) -> str:
    now = int(time.time())
    usual = {"iss": ISSUER, "aud": CALL, "iat": now, "exp": now + 60, "jti": str(uuid.uuid4())}
    fields = {name: value for name, value in (usual | claims).items() if value is not None}
    return jwt.encode(fields, key or KEYS[algorithm], algorithm, {"kid": algorithm, **(header or {})})


def start_clinic(home: Path, model: Path, more: Mapping[str, str] | None = None) -> Api:
    """Start an API that knows one record system, St Mary's, by a file with its keys; `more` are settings."""
    install(home, model, "1")
    (home / "jwks.json").write_text(json.dumps(key_set()))
    clients = [{"name": "st-mary", "issuer": ISSUER, "jwks_file": "jwks.json"}]
    (home / "clients.json").write_text(json.dumps({"clients": clients}))
    environment = {
        "READMISSION_CDS_CLIENTS": str(home / "clients.json"),
        "READMISSION_CDS_URL": URL,
        "READMISSION_CDS_ORIGINS": ORIGIN,
    }
    return Api(home, environment | dict(more or {})).wait("/readyz")


def resources(record: dict[str, Any] | None = None) -> dict[str, Any]:
    today = datetime.date.today()
    return copy.deepcopy(fhir_stay.prefetch(record or RECORD, today, "p1", "e1"))


def request(hook: str = "encounter-discharge", **changes: Any) -> dict[str, Any]:
    context = {"userId": "Practitioner/1", "patientId": "p1", "encounterId": "e1"}
    body = {"hook": hook, "hookInstance": str(uuid.uuid4()), "context": context, "prefetch": resources()}
    return {**body, **changes}


def call(api: Api, body: Any = None, bearer: str = "", **headers: str) -> httpx.Response:
    authorization = {"authorization": f"Bearer {bearer or token()}"}
    return api.http.post(hooks.CALL, json=body if body is not None else request(), headers=authorization | headers)
