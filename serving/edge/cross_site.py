"""Requests that a web page of somebody else makes in a browser of this machine, while the API needs no keys.

A page of another site can make a browser send a POST here, and with a name of its own that leads to the loopback (DNS
rebinding) it can read answers too. With keys neither works, since the page has none.
"""

from collections.abc import Sequence

from starlette.responses import Response

from serving import http
from serving.http import Header

#: Names of this machine for itself.
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_FOREIGN = frozenset({b"cross-site", b"same-site"})
_REFUSAL = http.sentence(403, "requests of other web pages are not answered: this API needs no keys")
_WRONG_HOST = http.sentence(
    403, "this API needs no keys, so it answers this machine alone: set READMISSION_API_KEYS to use another name of it"
)


class CrossSite:
    """Check of requests to an API without keys.

    Args:
        host: Address that the API listens on. On the loopback, it answers to names of the loopback only.
    """

    def __init__(self, host: str) -> None:
        self._on_loopback = host in LOOPBACK

    def refusal(self, method: str, headers: Sequence[Header]) -> Response | None:
        """Return why a request is refused; None if it is not."""
        named = origin = b""
        for name, value in headers:
            if name == b"host":
                named = value
            elif name == b"origin":
                origin = value
            elif name == b"sec-fetch-site" and value in _FOREIGN and method == "POST":
                return _REFUSAL
        if self._on_loopback and named and not _is_loopback(named):
            return _WRONG_HOST
        if method == "POST" and origin and origin.rpartition(b"//")[2] != named:
            return _REFUSAL
        return None


def _is_loopback(host: bytes) -> bool:
    name = host.decode("latin-1").lower()
    name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
    return name in LOOPBACK or name.endswith(".localhost")
