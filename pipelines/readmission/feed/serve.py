"""`readmission feed`: start the feed's HTTP service."""

import logging
from datetime import timedelta

import uvicorn
from starlette.types import ASGIApp

from readmission.data.sources import open_source
from readmission.errors import UserError
from readmission.feed.app import Feed
from readmission.feed.chunks import Chunks
from readmission.feed.schedule import Window
from readmission.feed.waiting import Waiting
from readmission.settings import Settings

log = logging.getLogger(__name__)


def run(settings: Settings) -> None:
    """Hand out the data set over HTTP as a hospital system would: a batch at a time, within opening hours.

    Ingest takes from it with READMISSION_SOURCE=feed+http://HOST:PORT. See docs/orchestration.md. A URL that gives
    nothing yet is asked again every ten seconds; until then the feed is alive and not ready.

    Raises:
        UserError: The file, the hours or the zone are wrong; names the setting.
    """
    if settings.feed.source.startswith("feed+"):
        raise UserError("READMISSION_FEED_SOURCE is itself a feed; name a csv, the UCI zip, or the URL of one.")
    window = Window.parse(settings.feed.opening, settings.feed.zone)

    def open_feed() -> ASGIApp:
        return _open(settings, window)

    uvicorn.run(
        Waiting(open_feed) if "://" in settings.feed.source else open_feed(),
        host=settings.feed.host,
        port=settings.feed.port,
        lifespan="off",
        log_config=None,
        timeout_graceful_shutdown=10,
    )


def _open(settings: Settings, window: Window | None) -> ASGIApp:
    folder = settings.home / "feed"
    # Its own setting, not `source`: that one may name this very feed.
    source = open_source(settings.replace(source=settings.feed.source))
    chunks = Chunks.cut(source, folder, settings.batch_size)
    token = settings.feed.token.get_secret_value() if settings.feed.token else None
    interval = timedelta(seconds=settings.feed.interval)
    feed = Feed(
        chunks=chunks,
        batch_size=settings.batch_size,
        window=window,
        interval=interval,
        token=token,
        memory=folder / "started",
    )
    log.info(
        "feed of %s: %d batches, %s, at http://%s:%d",
        source.name,
        len(chunks.rows),
        f"one every {settings.feed.interval:g} s" if settings.feed.interval else "all at once",
        settings.feed.host,
        settings.feed.port,
    )
    return feed.app()
