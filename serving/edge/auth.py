"""API keys: hashed, several, with scopes, read again when their file changes.

Each line of the file is one key: `name:sha256 of the key in hex:scopes`, with scopes separated by commas out of
predict, feedback, worklist, admin; `#` begins a comment. Clients send `Authorization: Bearer <key>` or
`X-API-Key: <key>`.
"""

import hmac
import logging
from collections.abc import Iterable
from contextvars import ContextVar
from hashlib import sha256
from pathlib import Path
from typing import Literal, get_args

from starlette.types import ASGIApp, Receive, Scope, Send

from serving import http, metrics
from serving.http import Header, Refused

KeyScope = Literal["predict", "feedback", "worklist", "admin"]
_SCOPES = frozenset(get_args(KeyScope))
#: Digest of no key at all, which a script writes when its variable is empty.
_EMPTY = sha256(b"").digest()
#: Name of the key of the request that is being answered, for the access log; empty if requests need no key.
CLIENT: ContextVar[str] = ContextVar("CLIENT", default="")
_BEARER = {"www-authenticate": "Bearer"}
log = logging.getLogger(__name__)


class ApiKeys:
    """Keys that requests are checked against.

    Args:
        path: File of keys. If omitted, everything is open, except that `admin` needs the token.
        token: Token that also opens the scope `admin`; empty if there is none.

    Attributes:
        active: Whether requests need a key at all.
    """

    def __init__(self, path: Path | None, token: str = "") -> None:
        self._path = path
        self._token = token.encode()
        self._keys: dict[bytes, tuple[str, frozenset[str]]] = {}
        self._uses: dict[str, int] = {}
        self._modified = -1.0
        #: What is wrong with the file of keys; empty if nothing is.
        self.problem = ""
        self.active = path is not None
        self.refresh()

    def refresh(self) -> None:
        """Read the file again if it has changed, and count what the keys opened.

        A wrong line opens nothing, and the others count. A file that cannot be read leaves the keys as they are.
        """
        if self._path is None:
            return
        uses, self._uses = self._uses, {}
        for name, count in uses.items():
            metrics.key_requests.labels(name).inc(count)
        try:
            modified = self._path.stat().st_mtime
            if modified != self._modified:
                self._read(self._path.read_text())
                self._modified = modified
        except (OSError, UnicodeDecodeError) as error:
            # Read again as soon as it is there, whatever its time.
            self._modified = -1.0
            self._report(f"the file of API keys cannot be read: {type(error).__name__}")

    def _read(self, text: str) -> None:
        keys, problems = {}, []
        for number, line in _lines(text):
            try:
                name, digest, scopes = _parse(line)
            except ValueError as error:
                # Its number only: a line without a name may be the key itself.
                problems.append(f"line {number} of the file of API keys {error}")
            else:
                keys[digest] = (name, scopes)
        self._keys = keys
        self._report("; ".join(problems))

    def _report(self, problem: str) -> None:
        if problem and problem != self.problem:
            log.error("%s", problem)
        self.problem = problem

    def require(self, headers: Iterable[Header], scope: KeyScope) -> None:
        """Let a request pass if its key has the scope.

        Raises:
            Refused: There is no valid key (401), or it lacks the scope (403).
        """
        if not self.active and scope != "admin":
            return
        key = _key(headers)
        CLIENT.set("")
        if scope == "admin" and self._token and hmac.compare_digest(key, self._token):
            return
        if scope == "admin" and not self.active:
            need = "the reload token" if self._token else "READMISSION_RELOAD_TOKEN to be set"
            raise Refused(http.sentence(401, f"this needs {need}", _BEARER), "key")
        # The digest is looked up, not the key: how long that takes says nothing about other keys.
        name, scopes = self._keys.get(sha256(key).digest(), ("", None))
        if scopes is None:
            text = "an API key is needed: Authorization: Bearer <key>"
            raise Refused(http.sentence(401, text, _BEARER), "key")
        if scope not in scopes:
            log.warning("the key %s may not %s", name, scope)
            raise Refused(http.sentence(403, f"this key may not {scope}"), "key")
        self._uses[name] = self._uses.get(name, 0) + 1
        CLIENT.set(name)


class KeyRequired:
    """Middleware of a route that needs a key.

    Args:
        app: The route's application.
        keys: Keys of this worker.
        key_scope: Scope that the key must have.
    """

    def __init__(self, app: ASGIApp, keys: ApiKeys, key_scope: KeyScope) -> None:
        self._app, self._keys, self._key_scope = app, keys, key_scope

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request if its key has the scope."""
        self._keys.require(scope["headers"], self._key_scope)
        await self._app(scope, receive, send)


def _key(headers: Iterable[Header]) -> bytes:
    key = b""
    for name, value in headers:
        if name == b"x-api-key":
            key = value
        elif name == b"authorization" and value[:7].lower() == b"bearer ":
            key = value[7:]
    return key


def _lines(text: str) -> Iterable[tuple[int, str]]:
    lines = ((number, raw.partition("#")[0].strip()) for number, raw in enumerate(text.splitlines(), 1))
    return ((number, line) for number, line in lines if line)


def _parse(line: str) -> tuple[str, bytes, frozenset[str]]:
    name, _, rest = line.partition(":")
    digest, _, listed = rest.partition(":")
    scopes = frozenset(scope.strip() for scope in listed.split(","))
    if len(digest) != 64 or not scopes <= _SCOPES:
        raise ValueError(f"is not name:sha256:scopes ({', '.join(sorted(_SCOPES))})")
    if bytes.fromhex(digest) == _EMPTY:
        raise ValueError("is the hash of an empty key")
    return name.strip(), bytes.fromhex(digest), scopes
