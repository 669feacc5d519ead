"""What must hold in every simulated week. An invariant yields a sentence for everything that does not hold."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

import pandas as pd

from bench.year.hospital import Hospital
from bench.year.natural_drift import has_changed
from bench.year.plan import Plan, outcomes
from bench.year.scenario import DRIFTED
from bench.year.system import System
from bench.year.timeline import Week
from readmission import contract
from readmission.monitoring.binning import SCORE
from readmission.registry.aliases import find_champion

_UNBALANCED = """
SELECT batch_id, rows_read, accepted, quarantined, duplicate FROM raw.batches
WHERE rows_read <> accepted + quarantined + duplicate
"""
_TWO_SPLITS = """
SELECT count(*) FROM (SELECT FROM clean.encounters GROUP BY patient_nbr HAVING count(DISTINCT split) > 1) p
"""
_LABELS = """
SELECT encounter_id::text, readmitted FROM clean.encounters JOIN clean.snapshots USING (batch_id)
WHERE readmitted IS NOT NULL AND finished >= %(since)s
"""
_LAST_DECISION = """
SELECT model_version FROM training.promotions WHERE decision <> 'refused' ORDER BY id DESC LIMIT 1
"""
_ROLLED_BACK = "SELECT DISTINCT replaced_version FROM training.promotions WHERE decision = 'rolled back'"
_REPEATED = """
SELECT family, count(*) FROM training.runs GROUP BY family, data_sha256, seed, code, packages HAVING count(*) > 1
"""
_FEEDBACK = "SELECT prediction_id::text, outcome FROM serving.feedback"


@dataclass(kw_only=True)
class State:
    """Everything that the invariants look at.

    Attributes:
        system, plan, hospital: The year's parts.
        week: The week that has just ended, as it was recorded.
        since: Simulated moment of the check before.
        now: Simulated moment of this one.
        rows: Rows of the deliveries so far, without those that came again to the letter.
        missing: Answers that did not reach the database.
        detected: First week after the drift in which an alarm named one of its columns; 0 before that.
        idle: Retrainings that trained nothing.
    """

    system: System
    plan: Plan
    hospital: Hospital
    week: Week
    since: datetime
    now: datetime
    rows: int = 0
    missing: int = 0
    detected: int = 0
    idle: list[str] = field(default_factory=list)


def rows_add_up(state: State) -> Iterator[str]:
    """Rows read = accepted + quarantined + duplicate, of every batch; and every row delivered was read."""
    for batch, read, accepted, quarantined, duplicate in state.system.query(_UNBALANCED):
        yield f"batch {batch}: {read} rows read, {accepted} accepted, {quarantined} quarantined, {duplicate} duplicate"
    ((read,),) = state.system.query("SELECT coalesce(sum(rows_read), 0) FROM raw.batches")
    if read != state.rows:
        yield f"{state.rows} rows were delivered, {read} were read"


def patients_have_one_split(state: State) -> Iterator[str]:
    """No patient is in two splits."""
    ((patients,),) = state.system.query(_TWO_SPLITS)
    if patients:
        yield f"{patients} patients are in two splits"


def labels_are_mature(state: State) -> Iterator[str]:
    """No label that can be trained on was unknown at the time, and none is younger than thirty days."""
    labels = pd.DataFrame(state.system.query(_LABELS, since=state.since), columns=["encounter_id", "label"])
    stays = state.plan.stays.set_index("encounter_id").loc[labels["encounter_id"]].reset_index()
    now = pd.Timestamp(state.now)
    stated = [
        (labels["label"] == outcomes(stays, column)) & (stays[column] <= now)
        for column in ("outcome_at", "late_at", "corrected_at")
    ]
    wrong = ~(stated[0] | stated[1] | stated[2])
    young = stays["discharged_at"] + contract.HORIZON > now
    for problem, rows in (("not known yet, or wrong", wrong), ("younger than thirty days", young)):
        if rows.any():
            yield f"{int(rows.sum())} labels that are trained on are {problem}"


def served_version_is_the_alias(state: State) -> Iterator[str]:
    """The API answers with the version of MLflow's alias, and the ledger names the same."""
    alias = find_champion(state.system.settings)
    served = state.system.model_info().get("model_version")
    ledger = next((version for (version,) in state.system.query(_LAST_DECISION)), None)
    if not alias == served == ledger:
        yield f"the alias names version {alias}, the API answers with {served}, the ledger says {ledger}"


def rolled_back_versions_stay_away(state: State) -> Iterator[str]:
    """A version that a person rolled back from does not return by itself."""
    if (state.week.champion,) in state.system.query(_ROLLED_BACK):
        yield f"version {state.week.champion} was rolled back from, and is champion again"


def alarms_are_right(state: State) -> Iterator[str]:
    """No alarm of drift while no patient has changed, and one within the stated weeks after they are made to.

    The real encounters drift by themselves, too. An alarm before the drift of the plan is false unless each of its
    columns has changed among the complete encounters. The score follows from the columns.
    """
    scenario, number = state.plan.scenario, state.week.number
    if number < scenario.drift:
        for alarm in state.week.alarms:
            columns = [name for name in alarm.split(": ")[1].split(", ") if name != SCORE]
            if not columns or not all(has_changed(state.plan.stays, name, state.now) for name in columns):
                yield f"false alarm: {alarm}"
        return
    if not state.detected and any(column in alarm for alarm in state.week.alarms for column in DRIFTED):
        state.detected = number
    if not state.detected and number == scenario.drift + scenario.detect - 1:
        yield f"the drift of {', '.join(DRIFTED)} is not reported within {scenario.detect} weeks"


def trainings_learn_something(state: State) -> Iterator[str]:
    """Nothing is trained twice on the same data by the same code, and a retraining trains something."""
    for family, count in state.system.query(_REPEATED):
        yield f"{family} was trained {count} times on the same data by the same code"
    yield from state.idle
    state.idle = []


def nothing_answered_is_lost(state: State) -> Iterator[str]:
    """Every answer of the API is in the database, and so is every outcome that it took."""
    ((stored,),) = state.system.query("SELECT count(*) FROM serving.predictions")
    answered = len(state.hospital.answered)
    if stored != answered or state.missing:
        yield f"{answered} predictions were answered, {stored} are stored"
    feedback = dict(state.system.query(_FEEDBACK))
    if lost := sum(feedback.get(name) != outcome for name, outcome in state.hospital.reported.items()):
        yield f"{lost} of {len(state.hospital.reported)} reported outcomes are not stored"


INVARIANTS: tuple[Callable[[State], Iterator[str]], ...] = (
    rows_add_up,
    patients_have_one_split,
    labels_are_mature,
    served_version_is_the_alias,
    rolled_back_versions_stay_away,
    alarms_are_right,
    trainings_learn_something,
    nothing_answered_is_lost,
)


def check(state: State) -> list[str]:
    """Check every invariant; return what does not hold, each with the name of its invariant."""
    return [f"{rule.__name__}: {sentence}" for rule in INVARIANTS for sentence in rule(state)]
