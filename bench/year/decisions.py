"""What a system and its people decide in a simulated year: training, promotion, approval, rollback."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from bench.year.hospital import Hospital
from bench.year.invariants import State
from bench.year.plan import Plan
from bench.year.scenario import START
from bench.year.system import Done, System
from bench.year.timeline import Recorder, Week
from readmission.registry.aliases import find_champion

log = logging.getLogger(__name__)

#: Hours after the end of a period at which each step runs; training waits two hours for its batch.
_HOURS = {
    "ingest": 5,
    "process": 6,
    "score": 7,
    "monitor": 8,
    "outcomes": 9,
    "retrain": 10,
    "train": 11,
    "judge": 12,
    "promote": 12,
}
_APPROVAL_WAITS = timedelta(days=2)
_PERSON, _PHYSICIAN = "dr.okafor", "dr.rivera"
_MATURE = "SELECT coalesce(sum(rows - immature), 0) FROM clean.snapshots"
_DATA = "SELECT count(*) FROM clean.snapshots s WHERE s.finished > (SELECT max(trained_at) FROM training.runs)"
_REFUSED = "SELECT reasons FROM training.promotions WHERE decision = 'refused' AND decided_at = %(moment)s ORDER BY id"
_BEFORE = """
SELECT replaced_version FROM training.promotions WHERE decision = 'promoted' AND model_version = %(version)s
ORDER BY id DESC LIMIT 1
"""


class Decisions:
    """Part of a year that decides on models.

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
        self._approval: tuple[datetime, str] | None = None
        self.weeks: list[Week] = []
        week = Week(number=0, end=START)
        self.state = State(system=system, plan=plan, hospital=hospital, week=week, since=START, now=START)

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
            self._ask_for_approval(end)
        else:
            self._promote(self._at("promote", end), "schedule")

    def _ask_for_approval(self, end: datetime) -> None:
        """Judge, and let the candidate wait for a person; what else is trained meanwhile is not approved."""
        candidate = self._step("judge", end).result
        if candidate:
            self._approval = self._at("promote", end) + _APPROVAL_WAITS, str(candidate["run_id"])
            self._note(f"a {candidate['family']} waits two days for a person's approval")

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
        if self._approval and self._approval[0] <= until:
            (moment, run_id), self._approval = self._approval, None
            self._note(f"{_PHYSICIAN} approves")
            self._promote(moment, _PHYSICIAN, run_id)

    def _promote(self, moment: datetime, who: str, run_id: str = "", *, may_refuse: bool = False) -> None:
        before = find_champion(self._system.settings)
        done = self._system.run("promote", moment, by=who, run_id=run_id)
        if done.failure and before and not may_refuse:
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
            # Without a training in this week it may also find no candidate, and says so.
            self._promote(moment + timedelta(hours=1), "schedule", may_refuse=True)

    def _step(self, verb: str, end: datetime, **arguments: object) -> Done:
        return self._system.run(verb, self._at(verb, end), **arguments)

    @staticmethod
    def _at(verb: str, end: datetime) -> datetime:
        return end + timedelta(hours=_HOURS[verb])

    def _killed(self, verb: str, happened: bool) -> None:
        self._note(f"{verb} is killed with signal 9" if happened else f"{verb} ended before it could be killed")

    def _violate(self, sentence: str) -> None:
        self.state.week.violations.append(sentence)
