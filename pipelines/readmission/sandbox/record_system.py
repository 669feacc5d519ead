"""A record system of the sandbox: a client of CDS Hooks 2.0 that does what the standard says, and nothing else.

It knows the service by its discovery alone, prefetches what that lists, and signs a token per call.
"""

import json
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from readmission.errors import UserError
from readmission.files import write_atomic
from readmission.sandbox.hospital import Hospital

ISSUER = "urn:readmission:sandbox"
#: Service whose feedback endpoint tells whether a record system is trusted, without a prediction.
SERVICE_ID = "readmission-risk"
#: Marks the predictions in the log: monitoring leaves them out.
_REQUEST_ID = "demo-sandbox"
HOOK = "encounter-discharge"
_ALGORITHM, _KEY_ID = "ES384", "sandbox"
_LIFE = 120


@dataclass(frozen=True, kw_only=True)
class HookCall:
    """One call and its answer.

    Attributes:
        request: What was sent.
        status: HTTP status of the answer.
        answer: Its JSON.
        seconds: How long the answer took.
    """

    request: dict[str, Any]
    status: int
    answer: dict[str, Any]
    seconds: float

    @property
    def cards(self) -> list[dict[str, Any]]:
        """Cards of the answer; none if it is a refusal."""
        cards: list[dict[str, Any]] = self.answer.get("cards", [])
        return cards


def make_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Return the private key in a file, which is made if it is absent (mode 0600)."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP384R1())
        encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        write_atomic(path, key.private_bytes(encoding, form, serialization.NoEncryption()).decode(), mode=0o600)
    loaded = serialization.load_pem_private_key(path.read_bytes(), None)
    if not isinstance(loaded, ec.EllipticCurvePrivateKey):
        raise UserError(f"{path} is not the sandbox's key: delete it")
    return loaded


def key_set(key: ec.EllipticCurvePrivateKey) -> str:
    """Return the public key as a key set."""
    public = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return json.dumps({"keys": [{**public, "kid": _KEY_ID, "use": "sig", "alg": _ALGORITHM}]})


class RecordSystem:
    """Client of one CDS service.

    Args:
        url: URL of the API, as tokens name it.
        key: Key that signs the tokens.
        hospital: What it prefetches from.
        address: Where it is reached. If omitted, at its URL.
    """

    def __init__(self, url: str, key: ec.EllipticCurvePrivateKey, hospital: Hospital, address: str = "") -> None:
        self._key, self.hospital, self._url = key, hospital, url.rstrip("/")
        self.http = httpx.Client(base_url=address or self._url, timeout=20, trust_env=False)

    def discover(self) -> dict[str, Any]:
        """Return the service for discharges.

        Raises:
            UserError: There is none.
        """
        answer = self.http.get("/cds-services").raise_for_status()
        offered: list[dict[str, Any]] = [s for s in answer.json()["services"] if s["hook"] == HOOK]
        if not offered:
            raise UserError(f"{self._url} offers no service for {HOOK}")
        return offered[0]

    def discharge(self, service: dict[str, Any], stay: dict[str, Any], today: date) -> HookCall:
        """Discharge a patient today: prefetch, call the service, return what it says."""
        patient = stay["subject"]["reference"].partition("/")[2]
        context = {"userId": "Practitioner/sandbox", "patientId": patient, "encounterId": stay["id"]}
        moved = today - date.fromisoformat(stay["period"]["end"][:10])
        request = {
            "hook": HOOK,
            "hookInstance": str(uuid.uuid4()),
            "context": context,
            "prefetch": self.hospital.prefetch(service["prefetch"], context, moved),
        }
        begun = time.perf_counter()
        answer = self._post(f"/cds-services/{service['id']}", request)
        took = time.perf_counter() - begun
        return HookCall(request=request, status=answer.status_code, answer=_body(answer), seconds=took)

    def refusal(self) -> str:
        """Return why the service does not trust this record system; empty if it does."""
        answer = self._post(f"/cds-services/{SERVICE_ID}/feedback", {"feedback": []})
        # An empty report breaks the standard: whoever is trusted learns that (400).
        return str(_body(answer).get("error", "")) if answer.status_code in (401, 403) else ""

    def report(self, service: dict[str, Any], card: dict[str, Any]) -> str:
        """Report that a clinician took a card's first suggestion, or overrode a card without one; return which."""
        report: dict[str, Any] = {"card": card["uuid"], "outcomeTimestamp": datetime.now(UTC).isoformat()}
        if suggestions := card.get("suggestions"):
            report |= {"outcome": "accepted", "acceptedSuggestions": [{"id": suggestions[0]["uuid"]}]}
        else:
            report |= {"outcome": "overridden", "overrideReason": {"reason": card["overrideReasons"][0]}}
        answer = self._post(f"/cds-services/{service['id']}/feedback", {"feedback": [report]})
        if answer.status_code != 200:
            raise UserError(f"The feedback was refused: {answer.status_code} {answer.text}")
        return str(report["outcome"])

    def _post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.sign(path)}", "x-request-id": _REQUEST_ID}
        return self.http.post(path, json=body, headers=headers)

    def sign(self, path: str) -> str:
        """Return a token for one call of a path."""
        now = int(time.time())
        audience = f"{self._url}{path}"
        claims = {"iss": ISSUER, "aud": audience, "iat": now, "exp": now + _LIFE, "jti": str(uuid.uuid4())}
        return jwt.encode(claims, self._key, _ALGORITHM, {"kid": _KEY_ID})


def _body(answer: httpx.Response) -> dict[str, Any]:
    try:
        content: dict[str, Any] = answer.json()
    except ValueError:
        return {"error": answer.text}
    return content
