"""The feed before its source can be read: alive, not ready, and saying what it waits for."""

import logging
import threading
from collections.abc import Callable

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from readmission.errors import UserError

log = logging.getLogger(__name__)


class Waiting:
    """ASGI application that answers 503 until the feed can be opened, then is the feed.

    Attributes:
        open_feed: Function that returns the feed's application, or raises UserError with what is missing.
        pause: Seconds between two attempts.
        reason: What is missing. Empty once the feed is there.
    """

    def __init__(self, open_feed: Callable[[], ASGIApp], pause: float = 10.0) -> None:
        self.open_feed = open_feed
        self.pause = pause
        self.reason = "the source has not been read yet"
        self._feed: ASGIApp | None = None
        threading.Thread(target=self._try, daemon=True).start()

    def _try(self) -> None:
        while self._feed is None:
            try:
                self._feed = self.open_feed()
                self.reason = ""
            except UserError as error:
                if str(error) != self.reason:
                    log.warning("the feed waits for its source: %s", error)
                self.reason = str(error)
                threading.Event().wait(self.pause)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request: by the feed, or with what it waits for."""
        if self._feed is not None:
            await self._feed(scope, receive, send)
        elif scope["type"] == "http":
            alive = scope["path"] == "/livez"
            body = {"live": True} if alive else {"error": f"The feed waits for its source: {self.reason}"}
            headers = None if alive else {"Retry-After": str(max(1, round(self.pause)))}
            await JSONResponse(body, 200 if alive else 503, headers)(scope, receive, send)
