"""API keys: hashed, several, with scopes, read anew when their file changes.

One key a line of the file: `name:sha256 of the key in hex:scopes`, scopes separated by commas out of predict,
feedback, admin; `#` begins a comment. A key is sent as `Authorization: Bearer <key>` or `X-API-Key: <key>`.
"""

import hmac
import logging
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Literal, get_args

from serving import http
from serving.http import Header, Refused

Scope = Literal["predict", "feedback", "admin"]
_SCOPES = frozenset(get_args(Scope))
log = logging.getLogger(__name__)


class Guard:
    """Check the key of a request.

    Args:
        path: file of keys; None: everything is open, except that `admin` needs the token.
        token: also opens the scope `admin`; empty: none.
    """

    def __init__(self, path: Path | None, token: str = "") -> None:
        self._path = path
        self._token = token.encode()
        self._keys: dict[bytes, frozenset[str]] = {}
        self._stamp = -1.0
        #: Whether requests need a key at all.
        self.active = path is not None
        self.refresh()

    def refresh(self) -> None:
        """Read the file again if it has changed; an unreadable file leaves the old keys, and none at first."""
        if self._path is None:
            return
        try:
            stamp = self._path.stat().st_mtime
            if stamp != self._stamp:
                self._keys = dict(map(_parse, _lines(self._path.read_text())))
                self._stamp = stamp
        except (OSError, ValueError) as error:
            log.error("the file of API keys cannot be used: %s", error)

    def check(self, headers: Iterable[Header], scope: Scope) -> None:
        """Let a request pass or not.

        Raises:
            Refused: 401 without a known key, 403 with one that lacks the scope.
        """
        key = b""
        for name, value in headers:
            if name == b"x-api-key":
                key = value
            elif name == b"authorization" and value[:7].lower() == b"bearer ":
                key = value[7:]
        if scope == "admin" and self._token and hmac.compare_digest(key, self._token):
            return
        if scope == "admin" and not self.active:
            known = "the reload token" if self._token else "READMISSION_RELOAD_TOKEN to be set"
            raise Refused(http.sentence(401, f"this needs {known}", (b"www-authenticate", b"Bearer")), "key")
        # The digest is looked up, not the key: how long that takes says nothing about other keys.
        scopes = self._keys.get(sha256(key).digest())
        if scopes is None:
            text = "an API key is needed: Authorization: Bearer <key>"
            raise Refused(http.sentence(401, text, (b"www-authenticate", b"Bearer")), "key")
        if scope not in scopes:
            raise Refused(http.sentence(403, f"this key may not {scope}"), "key")


def _lines(text: str) -> Iterable[str]:
    return (line for raw in text.splitlines() if (line := raw.partition("#")[0].strip()))


def _parse(line: str) -> tuple[bytes, frozenset[str]]:
    name, _, rest = line.partition(":")
    digest, _, scopes = rest.partition(":")
    wanted = frozenset(scope.strip() for scope in scopes.split(","))
    if len(digest) != 64 or not wanted <= _SCOPES:
        raise ValueError(f"the line of key {name!r} is not name:sha256:scopes ({', '.join(sorted(_SCOPES))})")
    return bytes.fromhex(digest), wanted
