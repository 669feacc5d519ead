"""A decision is whole, or it did not happen, wherever its process was killed."""

import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from readmission.embedded import status
from readmission.registry import intents, tracking
from readmission.registry.aliases import find_champion
from readmission.registry.locks import lock_decisions
from readmission.settings import Settings
from readmission.steps import ingest, process, promote, rollback, train
from readmission.stores import postgres


def decisions(settings: Settings) -> list[tuple[Any, ...]]:
    with postgres.transaction(settings, "train") as cursor:
        cursor.execute(
            "SELECT decision, model_version, replaced_version, decided_by FROM training.promotions ORDER BY id"
        )
        return cursor.fetchall()


def killed_at(function: str, settings: Settings) -> None:
    """Promote in this process, which is killed when it calls a function."""
    room = {"settle": intents, "set_champion": tracking}[function]
    setattr(room, function, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
    promote.run(settings, by="the killed one")


def promote_and_die(function: str, settings: Settings) -> None:
    process_ = multiprocessing.get_context("spawn").Process(target=killed_at, args=(function, settings))
    process_.start()
    process_.join(120)
    assert process_.exitcode == -signal.SIGKILL


@pytest.fixture
def second(system: Settings, sample: Path) -> Settings:
    """Give the system with a champion, version 1, and a candidate of more data."""
    train.run(system, families="decision_tree")
    assert promote.run(system, by="a test") == "1"
    ingest.run(system, batch=2)
    process.run(system)
    train.run(system, families="lightgbm")
    return system


def test_killed_between_alias_and_ledger_the_next_decision_writes_the_row(second: Settings) -> None:
    promote_and_die("settle", second)
    assert find_champion(second) == "2"
    assert decisions(second) == [("promoted", "1", None, "a test")]

    # Before, version 2 was "the first champion", with none to return to, at the moment it was needed.
    assert rollback.run(second, by="a person") == "1"
    assert decisions(second)[1:] == [("promoted", "2", "1", "the killed one"), ("rolled back", "1", "2", "a person")]
    assert intents.list_open(second) == []


def test_killed_before_the_alias_nothing_was_decided_and_promoting_again_decides_once(second: Settings) -> None:
    promote_and_die("set_champion", second)
    assert find_champion(second) == "1"
    assert promote.run(second, by="a test") == "2"
    assert decisions(second) == [("promoted", "1", None, "a test"), ("promoted", "2", "1", "a test")]
    assert intents.list_open(second) == []


def test_status_repairs_too_but_not_while_another_process_decides(second: Settings) -> None:
    promote_and_die("settle", second)
    with lock_decisions(second):
        status._settle_decisions(second)
        assert len(intents.list_open(second)) == 1
    status._settle_decisions(second)
    assert decisions(second)[-1] == ("promoted", "2", "1", "the killed one")
    status._settle_decisions(second)
    assert len(decisions(second)) == 2


def test_an_intent_that_was_not_carried_out_never_counts_later(second: Settings) -> None:
    promote_and_die("set_champion", second)
    status._settle_decisions(second)
    client = MlflowClient(second.mlflow.tracking_uri)
    client.set_registered_model_alias(second.mlflow.model_name, "champion", "2")
    status._settle_decisions(second)
    assert decisions(second) == [("promoted", "1", None, "a test")]
