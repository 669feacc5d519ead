"""The course of a simulated year: week after week, what the hospital, the system and people do."""

import logging
from datetime import timedelta

from bench.year import invariants, timeline
from bench.year.decisions import Decisions
from bench.year.plan import Period
from bench.year.scenario import DRIFTED, START
from bench.year.system import System
from bench.year.timeline import Week
from readmission.registry.aliases import find_champion

log = logging.getLogger(__name__)

_CLEAN_BATCHES = "SELECT batch_id FROM clean.snapshots WHERE finished >= %(since)s AND revision = 0 ORDER BY batch_id"


class Year(Decisions):
    """One run of a plan on a system."""

    def run(self) -> list[Week]:
        """Live through every period and return the weeks."""
        for period in self._plan.periods:
            if period.week != self.state.week.number:
                self._begin_week(period)
            self._approve(until=period.end)
            with self._system.timed("discharges"):
                self._discharge(period)
            self._deliver(period)
            if (period.end - START) % timedelta(days=7) == timedelta():
                self._close_week(period)
        return self.weeks

    def _begin_week(self, period: Period) -> None:
        self.state.week = Week(number=period.week, end=period.begin + timedelta(days=7))
        self.weeks.append(self.state.week)
        scenario = self._scenario
        begins = (
            (scenario.partial[0], "from now on, a quarter of the requests states few columns"),
            (scenario.partial[1] + 1, "requests are complete again"),
            (scenario.silent[0], "the feed is silent"),
            (scenario.corrected, "outcomes are corrected"),
            (scenario.drift, f"the patients drift: {', '.join(DRIFTED)}"),
        )
        for number, text in begins:
            if number == period.week:
                self._note(text)

    def _discharge(self, period: Period) -> None:
        """Ask about the patients who leave, and report the outcomes that become known."""
        week, system = self.state.week, self._system
        first, last = self._scenario.partial
        away = self.is_due("outage", self._scenario.outage)
        if away:
            self._note("the database is away while patients are discharged")
            system.stop_database()
        if find_champion_or_none(system, away=away):
            stays = self._plan.discharged(period.begin, period.end)
            week.asked += self._hospital.ask(stays, partial=first <= week.number <= last)
        if away:
            system.start_database()
        self.state.missing += self._hospital.settle()
        system.clock.set(period.end)
        self._hospital.report(self._plan.known(period.begin, period.end))

    def _deliver(self, period: Period) -> None:
        """Bring the files in, and make clean batches of them."""
        for delivery in period.deliveries:
            path = self._hospital.deliver(delivery)
            if delivery.note or (period.number > 1 and not delivery.name.startswith(f"{period.begin:%Y-%m-%d}")):
                self._note(f"{delivery.name} {delivery.note or 'comes late'}")
            done = self._step("ingest", period.end, source=str(path), every=True)
            if bool(done.failure) != delivery.refused:
                self._violate(f"ingest of {delivery.name}: {done.failure or 'was not refused'}")
            if delivery.content not in self._delivered:
                self._delivered.add(delivery.content)
                self.state.rows += delivery.rows
        if self.is_due("kill_process", self._scenario.kill_process):
            working = lambda: self._system.is_in_transaction("process")  # noqa: E731
            self._killed("process", self._system.kill("process", self._at("process", period.end), working=working))
        self._step("process", period.end)

    def _close_week(self, period: Period) -> None:
        """Measure, decide, train and promote; then check every invariant."""
        end, week = period.end, self.state.week
        champion = find_champion(self._system.settings)
        if champion:
            for (batch,) in self._system.query(_CLEAN_BATCHES, since=self.state.since):
                self._step("score", end, batch=batch)
        self._step("monitor", end)
        self._step("outcomes", end)
        if champion:
            if self._step("retrain", end).result:
                self._retrain(end)
        elif self._can_begin():
            self._train(end)
            self._promote(self._at("promote", end), "schedule")
        self._worse_candidate(end)
        self._roll_back(end)
        self.state.now = end + timedelta(hours=20)
        self._system.clock.set(self.state.now)
        with self._system.timed("checks"):
            self._recorder.read(week, self.state.now)
            week.violations += invariants.check(self.state)
        self.state.since = self.state.now
        self._tell(timeline.line(week))


def find_champion_or_none(system: System, *, away: bool) -> bool:
    """Return whether a version answers; while the database is away, so is the registry, and the API is asked."""
    return bool(system.model_info() if away else find_champion(system.settings))
