"""Aliases on local disk: which versions the registry wants served, as the sidecar last read them."""

from pathlib import Path

import msgspec

#: File whose time says when the sidecar last asked the registry, whatever it answered.
POLLED = "polled"


class Aliases(msgspec.Struct, frozen=True, kw_only=True):
    """Contents of aliases.json, as the sidecar writes it.

    Attributes:
        champion: Version to serve, present and checked on local disk; empty if there is none.
        challenger: The same for the challenger.
        registry: ``ok``, or why the registry could not be read.
        error: Why the registry's version is not served; empty if it is.
        checked_at: When the contents changed; ISO 8601, UTC.
        reissued: Changes when the files of versions on local disk were written anew.
    """

    champion: str = ""
    challenger: str = ""
    registry: str = ""
    error: str = ""
    checked_at: str = ""
    reissued: str = ""


def read_aliases(folder: Path) -> Aliases:
    """Read aliases.json; return empty aliases if there is none yet."""
    try:
        return msgspec.json.decode((folder / "aliases.json").read_bytes(), type=Aliases)
    except (FileNotFoundError, msgspec.DecodeError):
        return Aliases()


def polled_at(folder: Path) -> float | None:
    """Return when the sidecar last asked the registry, in seconds since 1970; None if it never has."""
    try:
        return (folder / POLLED).stat().st_mtime
    except FileNotFoundError:
        return None
