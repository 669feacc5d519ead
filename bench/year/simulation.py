"""The course of a simulated year: week after week, what the hospital, the system and people do."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from bench.year import invariants, timeline
from bench.year.hospital import Hospital
from bench.year.invariants import State
from bench.year.plan import Period, Plan
from bench.year.scenario import DRIFTED, START
from bench.year.system import Done, System
from bench.year.timeline import Recorder, Week
from readmission.registry.aliases import find_champion

log = logging.getLogger(__name__)

#: Hours after the end of a period at which each step runs; training waits two hours for its batch.
_HOURS = {"ingest": 5, "process": 6, "score": 7, "monitor": 8, "outcomes": 9, "retrain": 10, "train": 11, "promote": 12}
_APPROVAL_WAITS = timedelta(days=2)
_PERSON, _PHYSICIAN = "dr.okafor", "dr.rivera"
_CLEAN_BATCHES = "SELECT batch_id FROM clean.snapshots WHERE finished >= %(since)s AND revision = 0 ORDER BY batch_id"
_MATURE = "SELECT coalesce(sum(rows - immature), 0) FROM clean.snapshots"
_DATA = "SELECT count(*) FROM clean.snapshots s WHERE s.finished > (SELECT max(trained_at) FROM training.runs)"
_REFUSED = "SELECT reasons FROM training.promotions WHERE decision = 'refused' AND decided_at = %(moment)s ORDER BY id"
_BEFORE = """
SELECT replaced_version FROM training.promotions WHERE decision = 'promoted' AND model_version = %(version)s
ORDER BY id DESC LIMIT 1
"""


class Year:
    """One run of a plan on a system.

    Args:
        system: Started.
        plan: What happens.
        hospital: Client of the system.
        tell: Takes each week's text when the week is over.
    """

    def __init__(self, system: System, plan: Plan, hospital: Hospital, tell: Callable[[str], None]) -> None:
        self._system, self._plan, self._hospital, self._tell = system, plan, hospital, tell
        self._scenario = plan.scenario
        self._recorder = Recorder(system, START)
        self._delivered: set[bytes] = set()
        self._once: set[str] = set()
        self._approval: datetime | None = None
        self.weeks: list[Week] = []
        week = Week(number=0, end=START)
        self.state = State(system=system, plan=plan, hospital=hospital, week=week, since=START, now=START)

    def run(self) -> list[Week]:
        """Live through every period and return the weeks."""
        for period in self._plan.periods:
            if period.week != self.state.week.number:
                self._begin_week(period)
            self._approve(until=period.end)
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

    def _note(self, text: str) -> None:
        self.state.week.events.append(text)
        log.info("event: %s", text)

    def is_due(self, event: str, week: int, *, later: bool = False) -> bool:
        """Return, once, whether an event's week has come; if `later`, also any week after it."""
        number = self.state.week.number
        due = week > 0 and (number >= week if later else number == week) and event not in self._once
        if due:
            self._once.add(event)
        return due

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
        self._recorder.read(week, self.state.now)
        week.violations += invariants.check(self.state)
        self.state.since = self.state.now
        self._tell(timeline.line(week))

    def _can_begin(self) -> bool:
        ((mature,),) = self._system.query(_MATURE)
        return int(mature) >= self._scenario.learnable and self._has_new_data()

    def _has_new_data(self) -> bool:
        ((trainings,),) = self._system.query("SELECT count(*) FROM training.runs")
        return not trainings or bool(self._system.query(_DATA)[0][0])

    def _retrain(self, end: datetime) -> None:
        before = self._system.query("SELECT count(*) FROM training.runs")
        self._train(end)
        if self._system.query("SELECT count(*) FROM training.runs") == before:
            self.state.idle.append("a retraining was decided and trained nothing")
        if self.is_due("late_approval", self._scenario.late_approval, later=True):
            self._approval = self._at("promote", end) + _APPROVAL_WAITS
            self._note("a candidate waits two days for a person's approval")
        else:
            self._promote(self._at("promote", end), "schedule")

    def _train(self, end: datetime) -> None:
        families = self._scenario.families
        if self.is_due("kill_train", self._scenario.kill_train, later=True):
            killed = self._system.kill(
                "train", self._at("train", end), f"--models={families}", working=lambda: self._system.is_locked()
            )
            self._killed("train", killed)
        self._step("train", end, families=families)

    def _approve(self, until: datetime) -> None:
        """Promote what a person has approved meanwhile."""
        if self._approval and self._approval <= until:
            moment, self._approval = self._approval, None
            self._note(f"{_PHYSICIAN} approves")
            self._promote(moment, _PHYSICIAN)

    def _promote(self, moment: datetime, who: str) -> None:
        before = find_champion(self._system.settings)
        done = self._system.run("promote", moment, by=who)
        if done.failure and before:
            self._violate(f"promote ended with an error: {done.failure}")
        if not before and (doubts := self._doubts(moment)):
            self._note(f"{_PHYSICIAN} waives what is in doubt: {doubts}")
            self._system.run("promote", moment, by=_PHYSICIAN, waive=doubts, why="few events yet, no gate is certain")
        if (now := find_champion(self._system.settings)) and now != before:
            self._reload(moment)
            self._system.run("score", moment + timedelta(hours=1))

    def _doubts(self, moment: datetime) -> str:
        """Return the gates that alone stopped a candidate just now, if each of them is in doubt; empty if not."""
        for (checks,) in self._system.query(_REFUSED, moment=moment):
            failed = [check for check in checks if not check["passed"]]
            if failed and all(check.get("in_doubt") for check in failed):
                return ",".join(check["gate"] for check in failed)
        return ""

    def _reload(self, moment: datetime) -> None:
        done = self._system.run("reload", moment, seconds=60)
        if done.failure:
            self._violate(f"reload: {done.failure}")

    def _worse_candidate(self, end: datetime) -> None:
        before = find_champion(self._system.settings)
        if before and self.is_due("worse", self._scenario.worse, later=True):
            self._note("somebody trains a decision tree and asks for its promotion")
            moment = end + timedelta(hours=14)
            self._system.run("train", moment, families="decision_tree")
            self._promote(moment, _PERSON)
            if find_champion(self._system.settings) != before:
                self._violate("the worse candidate was promoted")

    def _roll_back(self, end: datetime) -> None:
        champion = find_champion(self._system.settings)
        before = [version for (version,) in self._system.query(_BEFORE, version=champion) if version]
        if before and self.is_due("rollback", self._scenario.rollback, later=True):
            moment = end + timedelta(hours=16)
            self._note(f"{_PERSON} rolls back from version {champion}, and the schedule promotes once more")
            self._system.run("rollback", moment, by=_PERSON, why="alerts too many patients of one ward")
            self._reload(moment)
            self._promote(moment + timedelta(hours=1), "schedule")

    def _step(self, verb: str, end: datetime, **arguments: object) -> Done:
        return self._system.run(verb, self._at(verb, end), **arguments)

    @staticmethod
    def _at(verb: str, end: datetime) -> datetime:
        return end + timedelta(hours=_HOURS[verb])

    def _killed(self, verb: str, happened: bool) -> None:
        self._note(f"{verb} is killed with signal 9" if happened else f"{verb} ended before it could be killed")

    def _violate(self, sentence: str) -> None:
        self.state.week.violations.append(sentence)


def find_champion_or_none(system: System, *, away: bool) -> bool:
    """Return whether a version answers; while the database is away, so is the registry, and the API is asked."""
    return bool(system.model_info() if away else find_champion(system.settings))
