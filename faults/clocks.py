"""Faults of the clock: it jumps, and a month ends."""

import time
from datetime import UTC, datetime

from faults.clients import asking
from faults.clock import Clock
from faults.observation import Fault, Observation
from faults.site import Site

_HOUR, _DAY = 3_600, 86_400
_MONTHS = """
SELECT DISTINCT to_char(predicted_at AT TIME ZONE 'UTC', 'YYYY-MM') FROM serving.predictions
WHERE request_id LIKE %(prefix)s ORDER BY 1"""


def clock_jumping(site: Site) -> Observation:
    """Move the clock of the API's machine back and forth by hours and weeks."""
    clock = Clock(site.folder)
    with site.another_api("api-clock", **clock.environment) as api, asking(api.port, 50) as clients:
        for shift in (-2 * _HOUR, 3 * _HOUR, 0, 40 * _DAY, -_HOUR, 0):
            clock.move(shift)
            time.sleep(3)
        clients.stop()
        return site.judge(clients)


def month_change(site: Site) -> Observation:
    """Let a month end on the API's machine, under load; the next month has no partition yet."""
    now = datetime.now(UTC)
    # Two months ahead: the next partition exists already, made in advance.
    year, month = now.year + (now.month + 2) // 12, (now.month + 2) % 12 + 1
    clock = Clock(site.folder)
    clock.move(int((datetime(year, month, 1, tzinfo=UTC) - now).total_seconds()) - 12)
    with site.another_api("api-month", **clock.environment) as api:
        # Once more, because the start took its time.
        left = (datetime(year, month, 1, tzinfo=UTC) - datetime.now(UTC)).total_seconds()
        clock.move(int(left) - 5)
        with asking(api.port, 50) as clients:
            time.sleep(8)
        judged = site.judge(clients)
    months = _months(site, clients.prefix)
    problems = [] if len(months) == 2 else [f"predictions are in the months {months}, not in two"]
    return judged.adding(problems, saw=f"{judged.saw}; stored in {' and '.join(months)}")


def _months(site: Site, prefix: str) -> list[str]:
    return [row[0] for row in site.read(_MONTHS, prefix=f"{prefix}%")]


FAULTS = (
    Fault(name="clock jumping by hours and weeks", inject=clock_jumping),
    Fault(name="month change of the partitions", inject=month_change, quick=True),
)
