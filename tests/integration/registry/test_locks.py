"""Who waits for whom."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from readmission.registry.locks import lock_decisions, lock_training
from readmission.settings import Settings


def test_trainings_of_one_family_wait_for_each_other_and_of_two_do_not(database: Settings) -> None:
    def wait(families: list[str]) -> None:
        with lock_training(database, families):
            pass

    with ThreadPoolExecutor(2) as pool:
        with lock_training(database, ["lightgbm", "xgboost"]) as is_idle:
            assert is_idle("lightgbm") and is_idle("decision_tree")
            pool.submit(wait, ["decision_tree"]).result(timeout=20)
            waiting = pool.submit(wait, ["decision_tree", "xgboost"])
            with pytest.raises(TimeoutError):
                waiting.result(timeout=1)
        waiting.result(timeout=20)


def test_a_family_that_another_process_trains_is_not_idle(database: Settings) -> None:
    with lock_training(database, ["lightgbm"]), lock_training(database, ["xgboost"]) as is_idle:
        assert not is_idle("lightgbm")
        assert is_idle("xgboost")


def test_decisions_wait_for_decisions_but_not_for_trainings(database: Settings) -> None:
    def decide() -> None:
        with lock_decisions(database):
            pass

    with ThreadPoolExecutor(1) as pool:
        with lock_training(database, ["lightgbm"]):
            pool.submit(decide).result(timeout=20)
        with lock_decisions(database):
            waiting = pool.submit(decide)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=1)
        waiting.result(timeout=20)
