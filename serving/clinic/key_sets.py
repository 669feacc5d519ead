"""Key sets of record systems, fetched by the sidecar from the URLs on the allow-list and no others."""

import logging
import time
from pathlib import Path

import httpx
import msgspec

from readmission.files import write_atomic
from serving.clinic.clients import fetched_keys, poke, read_allow_list, read_keys

#: How often each key set is fetched, and the least time between two fetches for an unknown key, in seconds.
_INTERVAL, _PATIENCE = 300.0, 10.0
_LARGEST = 1 << 20
log = logging.getLogger(__name__)


class KeySets:
    """Copies of the key sets on local disk.

    Args:
        path: File of clients; None if there is none.
        home: Folder of this replica's state.
    """

    def __init__(self, path: Path | None, home: Path) -> None:
        self._path, self._home = path, home
        self._fetched = float("-inf")
        self._warned = ""

    def poll(self) -> None:
        """Fetch the key sets if it is time; what cannot be fetched stays as it is."""
        if self._path is None:
            return
        age = time.monotonic() - self._fetched
        if age < _PATIENCE or (age < _INTERVAL and not poke(self._home).exists()):
            return
        self._fetched = time.monotonic()
        poke(self._home).unlink(missing_ok=True)
        problems = []
        for client in read_allow_list(self._path):
            if client.jwks_url and not client.jwks_file:
                try:
                    self._fetch(client.jwks_url)
                except (httpx.HTTPError, httpx.InvalidURL, msgspec.DecodeError, ValueError) as error:
                    problems.append(f"the key set of {client.name} cannot be fetched: {type(error).__name__}")
        if (text := "; ".join(problems)) != self._warned:
            log.warning("%s", text or "all key sets were fetched")
            self._warned = text

    def _fetch(self, url: str) -> None:
        # Redirects are not followed: the list names where keys come from.
        with httpx.stream("GET", url, timeout=5, trust_env=False, follow_redirects=False) as answer:
            answer.raise_for_status()
            content = b""
            for chunk in answer.iter_bytes():
                content += chunk
                if len(content) > _LARGEST:
                    raise ValueError("the key set is too large")
        read_keys(content)
        path = fetched_keys(self._home, url)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, content)
