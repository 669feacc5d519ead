"""Pieces of the spool that could not be stored: they go with their age, or when somebody in them is erased."""

import logging
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from readmission.privacy.tombstones import Tombstones

#: What may name a patient in the bytes of a piece: numbers, and references of record systems.
_NAMES = re.compile(rb"\d{1,20}|Patient/[A-Za-z0-9.\-]{1,64}|urn:uuid:[0-9a-fA-F\-]{36}")
log = logging.getLogger(__name__)


class Unreadable:
    """Folder of what could not be stored.

    Args:
        folder: Where it is; it need not exist.
        erased: Reads who is erased.
    """

    def __init__(self, folder: Path, erased: Callable[[], Tombstones]) -> None:
        self._folder, self._erased = folder, erased
        #: Pieces that were searched, and for how many tombstones.
        self._searched: dict[str, int] = {}

    def delete_old(self, days: float) -> None:
        """Delete pieces that are older than their retention; 0 keeps them."""
        limit = time.time() - 86_400 * days
        for path in self._folder.glob("*") if days else ():
            if path.stat().st_mtime < limit:
                path.unlink(missing_ok=True)
                log.warning("%s was deleted: it could not be read, and its retention is over", path.name)

    def delete_erased(self) -> None:
        """Delete pieces in which an erased patient is named anywhere: they cannot be written anew without them.

        Raises:
            psycopg2.Error: The database is not available.
            UserError: A tombstone was made with a key that is not there.
        """
        paths = sorted(self._folder.glob("*"))
        if not paths:
            self._searched.clear()
            return
        tombstones = self._erased()
        for path in paths:
            if self._searched.get(path.name) == len(tombstones):
                continue
            if any(map(tombstones.cover, _names(path.read_bytes()))):
                path.unlink(missing_ok=True)
                log.warning("%s was deleted: it could not be read, and somebody in it is erased", path.name)
            self._searched[path.name] = len(tombstones)


def _names(content: bytes) -> Iterator[str]:
    return (name.decode() for name in {*_NAMES.findall(content)})
