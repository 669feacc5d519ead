"""The main job where no new data can be had, and where nothing is served yet."""

from pathlib import Path
from typing import Any

import pytest

from readmission import models
from readmission.embedded import main_job, status
from readmission.embedded.step_processes import StepProcesses
from readmission.errors import UserError
from serving.predict import loaded_models
from tests.conftest import make_settings


class FakeSupervisor:
    """A supervisor that starts nothing and records what was started."""

    started: list[str]

    def start(self, name: str) -> None:
        self.started.append(name)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the parts that the job started; no part is real."""
    FakeSupervisor.started = []
    monkeypatch.setattr(main_job, "Supervisor", lambda _: FakeSupervisor())
    monkeypatch.setattr(main_job, "wait_for", lambda *_, **__: None)
    monkeypatch.setattr(main_job, "wait_for_part", lambda *_: None)
    part = {name: type("Part", (), {"name": name}) for name in ("mlflow", "api", "ui")}
    monkeypatch.setattr(main_job, "parts", lambda _: list(part.values()))
    return FakeSupervisor.started


@pytest.mark.parametrize(
    ("batches", "champion", "source", "fails"),
    [
        ([{"batch_id": 1}], True, {}, False),
        ([{"batch_id": 1}], False, {}, True),
        ([], True, {}, True),
        ([{"batch_id": 1}], True, {"source": "/absent.csv"}, True),
    ],
    ids=["serves", "no champion", "no batch", "a source was asked for"],
)
@pytest.mark.usefixtures("started")
def test_unreachable_data_is_a_warning_where_a_champion_serves(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    batches: list[Any],
    champion: bool,
    source: dict[str, Any],
    fails: bool,
) -> None:
    done: list[str] = []

    def step(_: object, verb: str, *__: str) -> None:
        done.append(verb)
        if verb == "ingest":
            raise UserError("The step `ingest` failed")

    monkeypatch.setattr(StepProcesses, "run", step)
    monkeypatch.setattr(status, "batches", lambda _: batches)
    monkeypatch.setattr(status, "has_champion", lambda _: champion)
    if fails:
        with pytest.raises(UserError):
            main_job.run(make_settings(tmp_path, **source), "", bool(source), StepProcesses())
    else:
        main_job.run(make_settings(tmp_path, **source), "", bool(source), StepProcesses())
        assert done == ["ingest", "process"]


@pytest.mark.parametrize("passes", [True, False], ids=["promoted", "refused"])
def test_one_family_is_served_before_the_others_are_trained(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, started: list[str], passes: bool
) -> None:
    done: list[tuple[str, ...]] = []
    settings = make_settings(tmp_path)
    poke = settings.home / "models" / settings.mlflow.model_name / loaded_models.POKE

    def step(_: object, *verb: str) -> None:
        done.append(verb)
        assert ("api" in started) == (verb[0] in ("train", "promote")), "the API starts when the rows are read"
        if verb == ("promote",) and done.count(verb) == 1 and not passes:
            raise UserError("The step `promote` failed")

    monkeypatch.setattr(StepProcesses, "run", step)
    monkeypatch.setattr(status, "batches", lambda _: [])
    monkeypatch.setattr(status, "has_champion", lambda _: False)
    main_job.run(settings, "", False, StepProcesses())
    first = [("train", "--models", main_job.FIRST_FAMILY), ("promote",)]
    assert done == [("ingest", "--all"), ("process",), *first, ("train",), ("promote",)]
    assert main_job.FIRST_FAMILY in models.FAMILIES
    assert poke.exists(), "the API is not told that there is a champion"
