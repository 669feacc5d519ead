"""Locks in the database: one process at a time decides on the champion, and one trains a family.

A lock ends with the connection that holds it, so that a killed process leaves none behind.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from readmission.settings import Settings
from readmission.stores import postgres


@contextlib.contextmanager
def lock_decisions(settings: Settings) -> Iterator[None]:
    """Wait until no other process promotes or rolls back, and keep others waiting meanwhile."""
    with _locked(settings, ["promote"]):
        yield


@contextlib.contextmanager
def try_lock_decisions(settings: Settings) -> Iterator[bool]:
    """Take the lock of `lock_decisions` if it is free; yields whether it was."""
    with postgres.transaction(settings, "train") as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext(%(name)s))", {"name": _name("promote")})
        (free,) = cursor.fetchone()
        yield bool(free)


@contextlib.contextmanager
def lock_training(settings: Settings, families: Iterable[str]) -> Iterator[Callable[[str], bool]]:
    """Wait until no other process trains one of these families, and keep others waiting meanwhile.

    Yields:
        A function that says whether no other process trains a family at the moment.
    """
    with _locked(settings, [f"train.{family}" for family in families]) as cursor:

        def is_idle(family: str) -> bool:
            name = {"name": _name(f"train.{family}")}
            cursor.execute("SELECT pg_try_advisory_lock(hashtext(%(name)s))", name)
            (free,) = cursor.fetchone()
            if free:
                cursor.execute("SELECT pg_advisory_unlock(hashtext(%(name)s))", name)
            return bool(free)

        yield is_idle


@contextlib.contextmanager
def _locked(settings: Settings, names: Iterable[str]) -> Iterator[Any]:
    """Take locks, in one order for everybody so that nobody waits in a circle; yield their cursor."""
    with postgres.transaction(settings, "train") as cursor:
        for name in sorted(names):
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%(name)s))", {"name": _name(name)})
        yield cursor


def _name(name: str) -> str:
    return f"readmission.{name}"
