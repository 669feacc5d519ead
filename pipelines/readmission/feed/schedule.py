"""When the feed is open and which batches exist by now: pure functions of the clock."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from readmission.errors import UserError


@dataclass(frozen=True, slots=True)
class Window:
    """Daily opening hours: open from `opens` up to, not including, `closes`, in `zone`.

    A window may pass midnight (22:00-06:00).
    """

    opens: time
    closes: time
    zone: ZoneInfo

    @classmethod
    def parse(cls, hours: str, zone: str) -> Self | None:
        """Read `HH:MM-HH:MM`; empty means open day and night, returned as None.

        Raises:
            UserError: The hours or the zone cannot be read; names the setting.
        """
        if not hours.strip():
            return None
        try:
            opens, closes = (time.fromisoformat(part.strip()) for part in hours.split("-"))
        except ValueError as error:
            raise UserError(
                f"READMISSION_FEED_OPENING is {hours!r}; allowed: HH:MM-HH:MM, or empty for day and night."
            ) from error
        if opens == closes:
            raise UserError(
                f"READMISSION_FEED_OPENING is {hours!r}, which never opens; leave it empty for day and night."
            )
        try:
            return cls(opens, closes, ZoneInfo(zone))
        except (ZoneInfoNotFoundError, ValueError, IsADirectoryError) as error:
            raise UserError(
                f"READMISSION_FEED_ZONE is {zone!r}; allowed: a time zone such as America/Lima or UTC."
            ) from error

    def is_open(self, now: datetime) -> bool:
        """Return whether the feed is open at an aware moment."""
        clock = now.astimezone(self.zone).time()
        if self.opens < self.closes:
            return self.opens <= clock < self.closes
        return clock >= self.opens or clock < self.closes

    def next_opening(self, now: datetime) -> datetime:
        """Return the first opening after an aware moment, in the window's own zone."""
        local = now.astimezone(self.zone)
        opening = datetime.combine(local.date(), self.opens, self.zone)
        return opening if opening > local else opening + timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Schedule of `total` batches: the first at `started`, one more every `interval`.

    An interval of zero makes all of them available at once.
    """

    started: datetime
    interval: timedelta
    total: int

    def available(self, now: datetime) -> int:
        """Return how many batches exist at an aware moment."""
        if not self.interval:
            return self.total
        return max(0, min(self.total, 1 + (now - self.started) // self.interval))

    def available_at(self, number: int) -> datetime:
        """Return when batch `number` (from 1) comes into being."""
        return self.started + (number - 1) * self.interval
