"""Faults of backup and restore: killed in the middle, started twice."""

from faults.clients import asking
from faults.observation import Fault, Observation
from faults.site import Site
from faults.verbs import kill_after, run, run_twice
from readmission.backup import collection
from readmission.backup.drill import count_rows
from readmission.backup.locations import Folder

#: Seconds after the first message at which a backup or restore is killed, one run each.
_MOMENTS = (0.0, 0.3, 0.8, 1.5)


def backup_killed(site: Site) -> Observation:
    """Kill backups under requests; each leaves the whole one that was there, and the next one is whole."""
    target, environment = site.folder / "backups", site.system.environment
    run(environment, "backup", str(target))
    before = collection.whole_backups(Folder(target))
    with asking(site.api.port, 20) as clients:
        kills = sum(kill_after(environment, moment, "backup", str(target)) for moment in _MOMENTS)
        between = collection.whole_backups(Folder(target))
        run(environment, "backup", str(target))
    after = collection.whole_backups(Folder(target))
    problems = [] if kills else ["`backup` was never killed at work"]
    problems += [] if set(before) <= set(between) else ["a whole backup is gone after a kill"]
    problems += [] if len(after) > len(between) else ["no whole backup was made after the kills"]
    left = [name for name in Folder(target).children() if name not in after]
    problems += [f"{len(left)} unfinished backups were left"] if left else []
    judged = site.judge(clients)
    saw = f"killed {kills} times; {len(after)} whole backups, none unfinished; {judged.saw}"
    return judged.adding(problems, saw=saw)


def backups_twice(site: Site) -> Observation:
    """Start backup twice at once; one is made, the other is refused with a sentence."""
    target = site.folder / "backups-twice"
    messages = run_twice(site.system.environment, "backup", str(target))
    whole = collection.whole_backups(Folder(target))
    return Observation(
        lost=f"{0 if whole else 1} of 1 backup",
        saw="; ".join(sorted(line[:100].replace(str(site.folder), "") for line in messages)),
        problems=() if whole else ("no whole backup was made",),
    )


def restore_killed(site: Site) -> Observation:
    """Kill restores of a stopped system, each later; the last one ends, and the system is that of the backup."""
    target, environment = site.folder / "backups-restored", site.system.environment
    rows, champion = count_rows(site.system), site.alias()
    answers = site.api.answers()
    site.api.stop()
    run(environment, "backup", str(target))
    run(environment, "down")
    kills = sum(kill_after(environment, moment, "restore", str(target)) for moment in (*_MOMENTS, 3.0, 5.0))
    run(environment, "restore", str(target))
    site.reopen()
    after = count_rows(site.system)
    differing = [table for table in rows if rows[table] != after.get(table)]
    problems = [f"{table} has {after.get(table)} rows instead of {rows[table]}" for table in differing]
    problems += [] if site.alias() == champion else [f"the champion is {site.alias()} instead of {champion}"]
    problems += [] if site.api.answers() == answers else ["answers are not those of before"]
    problems += [] if kills else ["`restore` was never killed at work"]
    return Observation(
        lost=f"{len(differing)} of {len(rows)} tables, {sum(rows.values()):,} rows",
        saw=f"killed {kills} times; the last one restored everything, {len(answers)} answers equal to the bit",
        problems=tuple(problems),
    )


FAULTS = (
    Fault(name="`backup` killed in the middle", inject=backup_killed),
    Fault(name="`backup` started twice at once", inject=backups_twice),
    Fault(name="`restore` killed in the middle", inject=restore_killed, last=True),
)
