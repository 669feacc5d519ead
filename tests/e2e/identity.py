"""Stand-in for a hospital's identity provider: OpenID Connect with four people, for proofs alone.

`identity.py ISSUER [PORT [ADDRESS]]` serves the issuer's URL. A person logs in by name, without a password; the client
`readmission` has the secret `of-the-proof`. Everything else is as the standards have it: discovery, the code flow with
state, nonce and PKCE, a code that counts once, signed tokens. It needs PyJWT, which the API's image has.
"""

import base64
import hashlib
import html
import json
import secrets
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlparse

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT, SECRET = "readmission", "of-the-proof"
#: Groups of each person.
PEOPLE = {
    "vera": ["readmission-viewers"],
    "olga": ["readmission-operators"],
    "anna": ["readmission-approvers"],
    "nora": ["billing"],
}


def claims(person: str) -> dict[str, Any]:
    """Return what a token says of a person."""
    return {
        "sub": f"id-of-{person}",
        "email": f"{person}@hospital.example.org",
        "email_verified": True,
        "given_name": person.capitalize(),
        "family_name": "Proof",
        "groups": PEOPLE[person],
    }


class Provider:
    """Keys, codes and tokens of one issuer."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer.rstrip("/")
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        #: Code -> the request that it was given for, with the person.
        self.codes: dict[str, dict[str, str]] = {}
        #: Access token -> person.
        self.tokens: dict[str, str] = {}

    def document(self, path: str) -> dict[str, Any]:
        """Return the description of the issuer or its keys; nothing for another path."""
        if path == "/.well-known/openid-configuration":
            names = {"authorization": "authorize", "token": "token", "userinfo": "userinfo"}
            return {
                "issuer": self.issuer,
                "jwks_uri": f"{self.issuer}/jwks",
                **{f"{name}_endpoint": f"{self.issuer}/{end}" for name, end in names.items()},
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "code_challenge_methods_supported": ["S256"],
            }
        if path == "/jwks":
            key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
            return {"keys": [key | {"kid": "proof", "use": "sig", "alg": "RS256"}]}
        return {}

    def code(self, request: dict[str, str], person: str) -> str:
        """Return where a person who has logged in is sent, with a code; empty if the request is not right."""
        if person not in PEOPLE or request.get("client_id") != CLIENT or request.get("response_type") != "code":
            return ""
        code = secrets.token_urlsafe(24)
        self.codes[code] = request | {"person": person}
        return f"{request['redirect_uri']}?{urlencode({'code': code, 'state': request.get('state', '')})}"

    def exchange(self, form: dict[str, str], client: str, secret: str) -> dict[str, Any]:
        """Return the tokens for a code, which counts once; nothing if client, address or verifier are not right."""
        request = self.codes.pop(form.get("code", ""), {})
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        expected = (CLIENT, SECRET, form.get("redirect_uri"), challenge)
        if not request or (client, secret, request["redirect_uri"], request.get("code_challenge")) != expected:
            return {}
        now, token = int(time.time()), secrets.token_urlsafe(24)
        self.tokens[token] = request["person"]
        body = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 3600, "nonce": request.get("nonce")}
        body |= claims(request["person"])
        signed = jwt.encode({k: v for k, v in body.items() if v}, self.key, "RS256", headers={"kid": "proof"})
        return {"access_token": token, "id_token": signed, "token_type": "Bearer", "expires_in": 3600}


class Handler(BaseHTTPRequestHandler):
    """The provider's addresses."""

    provider: Provider

    def do_GET(self) -> None:
        """Describe the issuer, show the form, or say who a token is of."""
        address = urlparse(self.path)
        path = address.path.removeprefix(urlparse(self.provider.issuer).path)
        if path == "/authorize":
            action = html.escape(self.path)
            return self.answer(200, f"<form method=post action='{action}'><input name=person><button>Log in</button>")
        if path == "/userinfo":
            person = self.provider.tokens.get(self.headers.get("authorization", "").removeprefix("Bearer "), "")
            return self.answer(200 if person else 401, json.dumps(claims(person) if person else {}))
        document = self.provider.document(path)
        return self.answer(200 if document else 404, json.dumps(document))

    def do_POST(self) -> None:
        """Log a person in, or give tokens for a code."""
        body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
        form = {key: values[0] for key, values in parse_qs(body).items()}
        address = urlparse(self.path)
        if address.path.endswith("/authorize"):
            request = {key: values[0] for key, values in parse_qs(address.query).items()}
            location = self.provider.code(request, form.get("person", ""))
            return self.answer(302 if location else 400, "", location)
        client, secret = form.get("client_id", ""), form.get("client_secret", "")
        if basic := self.headers.get("authorization", "").removeprefix("Basic "):
            client, secret = map(unquote, base64.b64decode(basic).decode().split(":", 1))
        tokens = self.provider.exchange(form, client, secret)
        return self.answer(200 if tokens else 400, json.dumps(tokens or {"error": "invalid_grant"}))

    def answer(self, status: int, body: str, location: str = "") -> None:
        """Send an answer."""
        self.send_response(status)
        self.send_header("content-type", "application/json" if body.startswith("{") else "text/html")
        self.send_header("content-length", str(len(body)))
        if location:
            self.send_header("location", location)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def server(issuer: str, port: int, address: str = "127.0.0.1") -> ThreadingHTTPServer:
    """Return a server of an issuer, bound and not yet running."""
    return ThreadingHTTPServer((address, port), type("Handler", (Handler,), {"provider": Provider(issuer)}))


if __name__ == "__main__":
    server(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5556, *sys.argv[3:4]).serve_forever()
