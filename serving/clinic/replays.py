"""Tokens that were used: each id is an empty file, so that all workers of a replica see it at once."""

import contextlib
import os
import shutil
from hashlib import sha256
from pathlib import Path

#: Seconds of tokens in one folder; a folder is deleted as a whole.
_BUCKET = 60


class Replays:
    """Ids of tokens that were used and have not expired.

    Args:
        folder: Folder of this replica's state.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def is_first(self, issuer: str, token_id: str, expires: float) -> bool:
        """Note a token and return whether it was not used before.

        Args:
            issuer: Issuer of the token.
            token_id: Its claim `jti`.
            expires: When it can no longer be used, in seconds since 1970.

        Raises:
            OSError: The disk is full; the token must not pass.
        """
        bucket = self._folder / str(int(expires) // _BUCKET)
        name = sha256(f"{len(issuer)}:{issuer}{token_id}".encode()).hexdigest()
        bucket.mkdir(parents=True, exist_ok=True)
        try:
            os.close(os.open(bucket / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            return False
        return True

    def delete_expired(self, now: float) -> None:
        """Delete the tokens that have expired."""
        with contextlib.suppress(FileNotFoundError):
            for path in self._folder.iterdir():
                if path.name.isdigit() and (int(path.name) + 1) * _BUCKET < now:
                    shutil.rmtree(path, ignore_errors=True)
