"""An update of a running system: models, database and spool of the previous version go on under the code of today.

Then one step back: the previous version's steps and API on the tables of today.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from readmission import contract, polling
from readmission.settings import Settings
from readmission.steps import migrate
from tests.conftest import make_settings
from tests.system.clinic import Clinic
from tests.system.conftest import System
from tests.system.previous import (
    RECORDS,
    ROOT,
    Update,
    code_of,
    content,
    later_batch,
    leave,
    old_tree,
    predict,
    predict_batch,
    previous_api,
    refuse,
    rows,
    start,
    tables,
)

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def update(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Update]:
    """Run the old code, leave predictions and outcomes in its spool, and update it; a first attempt fails."""
    folder = tmp_path_factory.mktemp("update")
    old = old_tree(folder / "old")
    system = System(folder / "state")
    code_of(system, old)
    try:
        start(system)
        clinic = Clinic(system.api, RECORDS[0])
        code_of(system, ROOT)
        refuse(system)
        left = leave(system, make_settings(system.home, postgres_port=system.ports["postgres"]))
        assert list((system.home / "spool").glob("*.log"))
        assert list((system.home / "spool" / "feedback").glob("*.json"))

        updated = system.run("update", timeout=400)
        assert updated.returncode == 0, updated.stderr[-3000:]
        clinic.stop()
        yield Update(system=system, old=old, clinic=clinic, **left)
    finally:
        system.run("down")


@pytest.fixture
def settings(update: Update) -> Settings:
    return make_settings(update.system.home, postgres_port=update.system.ports["postgres"])


def test_the_same_champion_answers_the_same_to_the_bit(update: Update) -> None:
    assert update.system.status()["model"] == update.champion
    assert content(predict_batch(update.system)) == content(update.batch)
    first = list(update.answers.values())[: len(RECORDS)]
    assert content(predict(update.system).values()) == content(first)


def test_no_request_fails_or_waits_and_one_model_answers(update: Update, settings: Settings) -> None:
    clinic = update.clinic
    print(f"{len(clinic.versions)} predictions, {len(clinic.failed)} failed; the longest waited {clinic.longest:.1f} s")
    assert clinic.failed == []
    assert clinic.longest < 2
    assert set(clinic.versions.values()) == {str(update.champion["version"])}
    query = "SELECT prediction_id::text FROM serving.predictions"
    polling.wait_until(
        lambda: clinic.versions.keys() <= {row[0] for row in rows(settings, query)},
        seconds=30,
        failure="predictions that were acknowledged during the update are not stored",
    )


def test_nothing_is_trained_promoted_or_ingested_again(update: Update, settings: Settings) -> None:
    assert tables(settings) == update.tables


def test_every_prediction_and_outcome_of_before_is_stored(update: Update, settings: Settings) -> None:
    spool = update.system.home / "spool"
    old = set(update.answers)
    polling.wait_until(
        lambda: old <= {row[0] for row in rows(settings, "SELECT prediction_id::text FROM serving.predictions")},
        seconds=30,
        failure=f"predictions of the old code are missing; the spool holds {[p.name for p in spool.iterdir()]}",
    )
    stored = rows(
        settings,
        "SELECT prediction_id::text, model_version, prediction, p_no, p_late, p_early, inputs FROM serving.predictions",
    )
    by_id = {row[0]: row[1:] for row in stored}
    records = [*RECORDS, *RECORDS, *RECORDS]
    assert len(update.answers) == len(records)
    for record, (name, answer) in zip(records, update.answers.items(), strict=True):
        version, prediction, *shares, inputs = by_id[name]
        assert (version, prediction) == (answer["model_version"], answer["prediction"])
        assert shares == pytest.approx([answer["probabilities"][c] for c in contract.CLASSES], abs=1e-6)
        assert {key: inputs[key] for key in record} == record
    polling.wait_until(
        lambda: dict(rows(settings, "SELECT prediction_id::text, outcome FROM serving.feedback")) == update.outcomes,
        seconds=30,
        failure="outcomes that the old code accepted are missing",
    )
    assert not list((spool / "feedback").glob("*.json"))


def test_one_step_back_works_on_the_tables_of_today(update: Update, settings: Settings, tmp_path: Path) -> None:
    """The previous version's steps, and its API, which answers and stores; after every migration there is."""
    [(revision,)] = rows(settings, "SELECT version_num FROM public.alembic_version", "owner")
    assert revision == max(migrate.revisions())
    system = update.system
    code_of(system, update.old)
    try:
        source = str(later_batch(update))
        for verb in (
            ["ingest", "--all", "--source", source],
            ["process"],
            ["train", "--models", "decision_tree"],
            ["score"],
            ["monitor"],
            ["outcomes"],
        ):
            done = system.run(*verb)
            assert done.returncode == 0, f"{verb}: {done.stderr[-3000:]}"
        [(count,)] = rows(settings, "SELECT count(*) FROM clean.encounters WHERE encounter_id > 1000000000")
        assert count > 400
        with previous_api(system, tmp_path / "home") as api:
            answers = [api.http.post("/predict", json=record).json() for record in RECORDS]
            assert content(answers) == content(list(update.answers.values())[: len(RECORDS)])
            ids = {answer["prediction_id"] for answer in answers}
            query = "SELECT prediction_id::text FROM serving.predictions"
            polling.wait_until(
                lambda: ids <= {row[0] for row in rows(settings, query)},
                seconds=30,
                failure="predictions of the previous version are not stored",
            )
    finally:
        code_of(system, ROOT)


def test_training_and_promotion_go_on_with_old_runs(update: Update, settings: Settings) -> None:
    """It adds to the tables. The old champion is loaded from MLflow, compared, and scores the batches."""
    for verb in (["train", "--models", "decision_tree"], ["promote"], ["score"]):
        done = update.system.run(*verb)
        assert done.returncode == 0, done.stderr[-3000:]
    after = tables(settings)
    assert {family for _, family, *_ in set(after["experiments"]) - set(update.tables["experiments"])} == {
        "decision_tree"
    }
    assert set(update.tables["promotions"]) <= set(after["promotions"])
    assert update.system.status()["ready"] is True


def test_an_updated_system_is_updated_again_and_stops(update: Update) -> None:
    clinic = Clinic(update.system.api, RECORDS[0])
    again = update.system.run("update", timeout=400)
    assert again.returncode == 0, again.stderr[-3000:]
    clinic.stop()
    print(f"{len(clinic.versions)} predictions, {len(clinic.failed)} failed; the longest waited {clinic.longest:.1f} s")
    assert clinic.failed == [] and clinic.longest < 2
    assert update.system.run("down").stdout.strip() == "Stopped."
    assert update.system.processes() == []
