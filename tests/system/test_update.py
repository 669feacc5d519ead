"""An update of an installed system: models, database and spool of the flat layout go on under the code of today."""

import io
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from readmission import contract, polling
from readmission.embedded.supervisor import Supervisor
from readmission.settings import Settings
from readmission.stores import postgres
from tests.conftest import make_settings
from tests.system.clinic import Clinic
from tests.system.conftest import System

ROOT = Path(__file__).parents[2]
#: The last commit before the package was grouped into rooms. What it wrote (skops files that name
#: `readmission.models`, artifacts in MLflow, tables, frames of the spool) is what installed systems hold.
BEFORE = "766466441fc26fc9e5a5d7b9276bf12cf1bd6440"

pytestmark = pytest.mark.timeout(600)

RECORDS = [dict(contract.EXAMPLE) | {"number_inpatient": n % 8, "time_in_hospital": 1 + n % 9} for n in range(30)]


@dataclass(frozen=True, kw_only=True)
class Update:
    """A system that the old code left behind and the code of today started again.

    Attributes:
        system: The running system, on the code of today.
        answers: What the old code answered, by prediction id.
        batch: What the old code answered to `RECORDS` in one request.
        outcomes: Outcomes that the old code accepted, by prediction id.
        champion: The model that the old code served, as in `readmission status`.
        tables: What training and ingest of the old code left in the database.
        clinic: A client that asked throughout.
    """

    system: System
    answers: dict[str, dict[str, Any]]
    batch: list[dict[str, Any]]
    outcomes: dict[str, str]
    champion: dict[str, Any]
    tables: dict[str, list[tuple[Any, ...]]]
    clinic: Clinic


def old_tree(folder: Path) -> Path:
    """Unpack the package and the API of the commit before; skip where the clone does not have it."""
    archive = subprocess.run(
        ["git", "-C", str(ROOT), "archive", BEFORE, "pipelines", "serving"], capture_output=True, check=False
    )
    if archive.returncode:
        pytest.skip(
            f"THE UPDATE IS NOT TESTED: this clone does not have commit {BEFORE[:7]}, the one to update from "
            "(git fetch --unshallow)"
        )
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(folder, filter="data")
    return folder


def code_of(system: System, tree: Path) -> None:
    """Have every process of the system import from one tree, whatever folder it starts in."""
    system.environment |= {"PYTHONPATH": f"{tree / 'pipelines'}:{tree}", "PYTHONSAFEPATH": "1"}
    shown = subprocess.run(
        [sys.executable, "-c", "import readmission.cli, serving.server; print(readmission.cli.__file__)"],
        env=system.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(shown.stdout.strip()).is_relative_to(tree)


def start(system: System) -> None:
    started = system.run("up", "--detach", "--sample", timeout=400)
    assert started.returncode == 0, started.stderr[-3000:]


def predict(system: System) -> dict[str, dict[str, Any]]:
    """Ask for every record, one request each; return the answers by prediction id."""
    answers = [httpx.post(f"{system.api}/predict", json=record).json() for record in RECORDS]
    return {answer["prediction_id"]: answer for answer in answers}


def predict_batch(system: System) -> list[dict[str, Any]]:
    """Ask for every record in one request."""
    predictions: list[dict[str, Any]] = httpx.post(
        f"{system.api}/predict_batch", json={"records": RECORDS}, timeout=30
    ).json()["predictions"]
    return predictions


def accept_outcomes(system: System, answers: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Give an outcome to every third prediction; the API keeps it or stores it."""
    outcomes = {name: contract.CLASSES[n % 3] for n, name in enumerate(answers) if n % 3 == 0}
    body = [{"prediction_id": name, "outcome": outcome} for name, outcome in outcomes.items()]
    states = httpx.post(f"{system.api}/feedback", json=body).json()
    assert states["recorded"] + states["pending"] == len(outcomes)
    return outcomes


def rows(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    with postgres.transaction(settings, "monitor") as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


def tables(settings: Settings) -> dict[str, list[tuple[Any, ...]]]:
    """Read what training left in the database."""
    return {
        "experiments": rows(
            settings, "SELECT run_id, family, git_sha, trained_at FROM training.experiments ORDER BY 1"
        ),
        "promotions": rows(settings, "SELECT id, decision, model_version, run_id FROM training.promotions ORDER BY 1"),
        "batches": rows(settings, "SELECT batch_id, rows_read, accepted FROM raw.batches ORDER BY 1"),
    }


def content(predictions: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the answers without the fields that every request gets anew."""
    return [{key: a[key] for key in a.keys() - {"prediction_id", "timestamp"}} for a in predictions]


def leave(system: System, settings: Settings) -> dict[str, Any]:
    """Have the old code answer with and without its database; return what it leaves, as fields of `Update`."""
    answers = predict(system)
    outcomes = accept_outcomes(system, answers)
    polling.wait_until(
        lambda: len(rows(settings, "SELECT FROM serving.predictions")) >= len(answers),
        seconds=30,
        failure="the old code did not store its predictions",
    )
    champion, left = system.status()["model"], tables(settings)
    # What comes now stays in the spool: single answers, a batch, and outcomes of them.
    Supervisor(settings).stop("postgres")
    late = predict(system)
    batch = predict_batch(system)
    outcomes |= accept_outcomes(system, late)
    answers |= late | {answer["prediction_id"]: answer for answer in batch}
    return {"answers": answers, "batch": batch, "outcomes": outcomes, "champion": champion, "tables": left}


@pytest.fixture(scope="module")
def update(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Update]:
    """Run the old code, leave predictions and outcomes in its spool, stop it, start the code of today."""
    folder = tmp_path_factory.mktemp("update")
    old = old_tree(folder / "old")
    system = System(folder / "state")
    code_of(system, old)
    try:
        start(system)
        left = leave(system, make_settings(system.home, postgres_port=system.ports["postgres"]))
        clinic = Clinic(system.api, RECORDS[0])
        assert system.run("down").returncode == 0
        assert list((system.home / "spool").glob("*.log"))
        assert list((system.home / "spool" / "feedback").glob("*.json"))

        code_of(system, ROOT)
        start(system)
        clinic.stop()
        yield Update(system=system, clinic=clinic, **left)
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


def test_a_client_that_waits_sees_no_request_fail_and_one_model(update: Update, settings: Settings) -> None:
    clinic = update.clinic
    print(f"{len(clinic.versions)} predictions, {len(clinic.failed)} failed; the longest waited {clinic.longest:.1f} s")
    assert clinic.failed == []
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


def test_training_and_promotion_go_on_with_old_runs(update: Update, settings: Settings) -> None:
    """Last: it adds to the tables. The old champion is loaded from MLflow, compared, and scores the batches."""
    for verb in (["train", "--models", "decision_tree"], ["promote"], ["score"]):
        done = update.system.run(*verb)
        assert done.returncode == 0, done.stderr[-3000:]
    after = tables(settings)
    assert {family for _, family, *_ in set(after["experiments"]) - set(update.tables["experiments"])} == {
        "decision_tree"
    }
    assert set(update.tables["promotions"]) <= set(after["promotions"])
    assert update.system.status()["ready"] is True
