"""Work beside the sidecar's loop, which must not wait for it."""

import threading
from collections.abc import Callable


class Background:
    """One action in a thread of its own, never twice at once.

    Args:
        action: What to do. It must not raise.
        name: Name of the thread.
    """

    def __init__(self, action: Callable[[], object], name: str) -> None:
        self._action, self._name = action, name
        self._thread: threading.Thread | None = None

    def start(self) -> bool:
        """Begin, unless the action is still being done; return whether it was begun."""
        if self._thread is not None and self._thread.is_alive():
            return False
        # A daemon: the end of the process does not wait for a server that never answers.
        self._thread = threading.Thread(target=self._action, name=self._name, daemon=True)
        self._thread.start()
        return True
