"""What happens in a simulated year, and when: the calendar, and the weeks of every event."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

#: Monday on which the first week begins. The year is over, so that no moment in it lies in the future.
START = datetime(2024, 1, 1, tzinfo=UTC)
WEEK = timedelta(days=7)
#: Columns that drift, as if another clinic sent its patients here and counted in other units.
DRIFTED = ("age", "num_medications", "time_in_hospital")


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A simulated time with its events. Weeks are counted from 1; an event of week 0 does not happen.

    Attributes:
        weeks: How long it lasts.
        days: Days between two deliveries: 7 or 1.
        encounters: How many of the first encounters take part. If 0, all do.
        families: Model families that are trained.
        learnable: Mature outcomes from which a first model is trained.
        drift: Week from which on the patients of DRIFTED change.
        detect: Weeks within which an alarm must report that.
        twice, line_ends: A delivery comes again, to the letter and with other line ends.
        late: Week whose delivery comes late, and the week in which it comes.
        silent: First and last week without a delivery; the week after brings everything.
        quarantine: A broken export comes before the delivery: the contract refuses all of it.
        partial: First and last week in which a quarter of the requests states few columns.
        corrected: Week in which outcomes are corrected that were known for a week or more.
        kill_process, kill_train: Week in which (and for training: from which on) a step is killed once.
        worse: Week in which a worse candidate is trained and judged.
        late_approval: Week from which on one promotion waits two days for a person.
        rollback: Week from which on a person rolls back once, as soon as there is a version before.
        outage: Week in which the database is away while patients are discharged.
    """

    weeks: int
    days: int = 7
    encounters: int = 0
    families: str
    learnable: int
    drift: int
    detect: int = 2
    twice: int
    line_ends: int
    late: tuple[int, int]
    silent: tuple[int, int] = (0, 0)
    quarantine: int
    partial: tuple[int, int]
    corrected: int
    kill_process: int
    kill_train: int
    worse: int = 0
    late_approval: int
    rollback: int
    outage: int

    @property
    def end(self) -> datetime:
        """Return when it is over."""
        return START + self.weeks * WEEK

    @property
    def drift_from(self) -> datetime:
        """Return when the patients change."""
        return START + (self.drift - 1) * WEEK


#: 52 weeks; month 8 begins in week 31.
YEAR = Scenario(
    weeks=52,
    families="lightgbm,logistic_regression",
    learnable=4_000,
    drift=31,
    twice=5,
    line_ends=6,
    late=(10, 12),
    silent=(22, 23),
    quarantine=15,
    partial=(17, 20),
    corrected=19,
    kill_process=13,
    kill_train=14,
    worse=26,
    late_approval=16,
    rollback=24,
    outage=28,
)
#: Thirteen weeks, for CI: one family, fewer patients, and everything that fits in. In the last but one, enough outcomes
#: of the patients who drift are known to learn from them.
QUARTER = Scenario(
    weeks=13,
    encounters=13_000,
    families="lightgbm",
    learnable=1_000,
    drift=8,
    twice=2,
    line_ends=3,
    late=(4, 5),
    quarantine=6,
    partial=(7, 7),
    corrected=9,
    kill_process=7,
    kill_train=6,
    late_approval=9,
    rollback=10,
    outage=8,
)
#: Its first eight weeks, up to the first model and a little further; CI takes a delivery a day in them.
OPENING = replace(QUARTER, weeks=8, encounters=8_000, corrected=0, late_approval=0, rollback=0)
SCENARIOS: Mapping[str, Scenario] = {"year": YEAR, "quarter": QUARTER, "opening": OPENING}


def week_of(moment: datetime) -> int:
    """Return the week, from 1, in which a moment lies."""
    return (moment - START) // WEEK + 1
