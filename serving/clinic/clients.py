"""Record systems that may call CDS Hooks: an allow-list of issuers with their keys, and the check of their tokens.

`READMISSION_CDS_CLIENTS` names a JSON file: `{"clients": [{"name": "st-mary", "issuer": "https://ehr.example.org",
"jwks_url": "https://ehr.example.org/jwks.json"}]}`. A client whose keys are on this machine has `jwks_file` instead.
Workers use no network: the sidecar fetches the key sets of URLs (`key_sets`) and workers read them from disk.
"""

import logging
import time
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import jwt
import msgspec

from serving import http
from serving.clinic.replays import Replays
from serving.http import Refused

#: Signatures that are taken; the standard recommends these two and forbids `none` and every shared secret.
ALGORITHMS = ("RS384", "ES384")
#: Longest life of a token in seconds, and how far clocks may differ.
LONGEST_LIFE, SKEW = 300, 5
_LONGEST_TOKEN = 8_192
_REQUIRED = ["iss", "aud", "exp", "iat", "jti"]
log = logging.getLogger(__name__)


class CdsClient(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Record system on the allow-list.

    Attributes:
        name: For people.
        issuer: Claim `iss` of its tokens.
        jwks_url: URL of its key set; a token's `jku` must be this one.
        jwks_file: File of its key set, relative to the allow-list; used instead of the URL.
    """

    name: str
    issuer: str
    jwks_url: str = ""
    jwks_file: str = ""


class AllowList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Content of the file of clients."""

    clients: tuple[CdsClient, ...]


def read_allow_list(path: Path) -> tuple[CdsClient, ...]:
    """Read the file of clients.

    Raises:
        OSError, msgspec.DecodeError, ValueError: It cannot be read, or a client has no keys.
    """
    clients = msgspec.json.decode(path.read_bytes(), type=AllowList).clients
    for client in clients:
        if not (client.issuer and (client.jwks_url or client.jwks_file)):
            raise ValueError("a client needs an issuer, and jwks_url or jwks_file")
        if client.jwks_url and not client.jwks_url.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
            raise ValueError("a jwks_url must begin with https://")
    return clients


def fetched_keys(home: Path, url: str) -> Path:
    """Return the file into which the sidecar writes the key set of a URL."""
    return home / "cds" / f"{sha256(url.encode()).hexdigest()[:32]}.json"


def poke(home: Path) -> Path:
    """Return the file that asks the sidecar to fetch all key sets now."""
    return home / "cds" / "poke"


def refused(text: str) -> Refused:
    """Return the refusal of a caller."""
    return Refused(http.sentence(401, text, {"www-authenticate": "Bearer"}), "key")


class CdsClients:
    """Allow-list of one worker, read again when its files change.

    Args:
        path: File of clients. If omitted, nobody may call.
        home: Folder of this replica's state.
    """

    def __init__(self, path: Path | None, home: Path) -> None:
        self._path, self._home = path, home
        self._clients: dict[str, CdsClient] = {}
        self._keys: dict[str, Mapping[str, jwt.PyJWK]] = {}
        self._stamps: dict[Path, int] = {}
        self._cleaned = 0.0
        self.replays = Replays(home / "cds" / "used")
        #: What is wrong with the file of clients; empty if nothing is.
        self.problem = ""
        self.active = path is not None
        self.refresh()

    def refresh(self) -> None:
        """Read again what has changed; a file that cannot be read leaves what there is."""
        if self._path is None:
            return
        try:
            if self._has_changed(self._path):
                self._clients = {client.issuer: client for client in read_allow_list(self._path)}
                self._stamps = {self._path: self._stamps[self._path]}
                self.problem = ""
        except (OSError, msgspec.DecodeError, ValueError) as error:
            self._report(f"the file of CDS clients cannot be read: {type(error).__name__}: {_text(error)}")
        for client in self._clients.values():
            self._read_keys(client)
        if time.time() - self._cleaned > 60:
            self._cleaned = time.time()
            self.replays.delete_expired(self._cleaned - SKEW)

    def _has_changed(self, path: Path) -> bool:
        stamp = path.stat().st_mtime_ns
        changed = self._stamps.get(path) != stamp
        self._stamps[path] = stamp
        return changed

    def _read_keys(self, client: CdsClient) -> None:
        assert self._path is not None  # noqa: S101 - there are no clients without it
        path = self._path.parent / client.jwks_file if client.jwks_file else fetched_keys(self._home, client.jwks_url)
        try:
            if self._has_changed(path):
                self._keys[client.issuer] = read_keys(path.read_bytes())
        except FileNotFoundError:
            self._keys.setdefault(client.issuer, {})
        except (OSError, msgspec.DecodeError, ValueError) as error:
            self._report(f"the key set of {client.name} cannot be read: {type(error).__name__}")

    def _report(self, problem: str) -> None:
        if problem != self.problem:
            log.error("%s", problem)
        self.problem = problem

    def verify(self, authorization: bytes, audience: str) -> str:
        """Return the name of the record system that sent a token.

        Args:
            authorization: Value of the header Authorization.
            audience: URL that is called.

        Raises:
            Refused: There is no token, or it is not one to trust (401).
        """
        if not self.active:
            raise refused("CDS Hooks is off: READMISSION_CDS_CLIENTS names no file of record systems")
        token = authorization[7:] if authorization[:7].lower() == b"bearer " else b""
        if not token or len(token) > _LONGEST_TOKEN:
            raise refused("a token is needed: Authorization: Bearer <JWT>")
        try:
            header = jwt.get_unverified_header(token)
            claims = jwt.decode(token, options={"verify_signature": False})
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise refused("the token is not a JWT") from None
        client, key = self._key_of(header, claims)
        self._check(token, header["alg"], client, key, audience)
        return client.name

    def _key_of(self, header: Mapping[str, Any], claims: Mapping[str, Any]) -> tuple[CdsClient, jwt.PyJWK]:
        """Return who claims to have signed a token, and the key that decides it."""
        if header.get("alg") not in ALGORITHMS:
            raise refused(f"the token must be signed with {' or '.join(ALGORITHMS)}")
        client = self._clients.get(str(claims.get("iss")))
        if client is None:
            raise refused("the issuer of the token is not on the list")
        if "jku" in header and header["jku"] != client.jwks_url:
            raise refused("the key set of the token (jku) is not the one on the list")
        key = self._keys.get(client.issuer, {}).get(str(header.get("kid")))
        if key is None:
            poke(self._home).parent.mkdir(parents=True, exist_ok=True)
            poke(self._home).touch()
            raise refused("the key of the token (kid) is not in the issuer's key set; a new key is known in 10 seconds")
        return client, key

    def _check(self, token: bytes, algorithm: str, client: CdsClient, key: jwt.PyJWK, audience: str) -> None:
        try:
            claims = jwt.decode(
                token,
                key.key,
                algorithms=[algorithm],
                audience=audience,
                issuer=client.issuer,
                leeway=SKEW,
                options={"require": _REQUIRED},
            )
        except jwt.InvalidAudienceError:
            raise refused("the token is for another URL (aud)") from None
        except jwt.ExpiredSignatureError:
            raise refused("the token has expired") from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as error:
            raise refused(f"the token is refused: {type(error).__name__}") from None
        if claims["exp"] - claims["iat"] > LONGEST_LIFE:
            raise refused(f"a token may live for {LONGEST_LIFE} seconds at most")
        try:
            is_first = self.replays.is_first(client.issuer, str(claims["jti"]), claims["exp"] + SKEW)
        except OSError:
            unavailable = http.sentence(503, "tokens cannot be checked now: try again later", {"retry-after": "30"})
            raise Refused(unavailable, "log") from None
        if not is_first:
            raise refused("the token was used before (jti)")


class _KeySet(msgspec.Struct):
    keys: list[dict[str, Any]]


def read_keys(content: bytes) -> dict[str, jwt.PyJWK]:
    """Return the public keys of a key set by `kid`; keys of other kinds than RSA and P-384 are left out.

    Raises:
        msgspec.DecodeError: It is not a key set.
    """
    keys = {}
    for fields in msgspec.json.decode(content, type=_KeySet).keys:
        algorithm = {"RSA": "RS384", "EC": "ES384"}.get(str(fields.get("kty")), "")
        if not algorithm or not fields.get("kid") or fields.get("crv", "P-384") != "P-384" or "d" in fields:
            continue
        try:
            keys[str(fields["kid"])] = jwt.PyJWK(fields, algorithm)
        except (jwt.PyJWTError, ValueError, TypeError):
            continue
    return keys


def _text(error: Exception) -> str:
    return error.strerror or "" if isinstance(error, OSError) else str(error)
