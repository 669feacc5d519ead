"""The previous version of this system: its code, what it leaves behind, and its API beside the system of today."""

import io
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from readmission import contract, polling
from readmission.embedded.sample import location
from readmission.embedded.supervisor import Supervisor
from readmission.settings import Role, Settings
from readmission.stores import postgres
from tests.conftest import make_settings
from tests.integration.api.tools import Api
from tests.system.clinic import Clinic
from tests.system.conftest import System

ROOT = Path(__file__).parents[2]
#: Where no version is tagged: the last commit before the package was grouped into rooms. What it wrote (skops files
#: that name `readmission.models`, artifacts in MLflow, tables, frames of the spool) is what installed systems hold.
FIRST = "766466441fc26fc9e5a5d7b9276bf12cf1bd6440"

RECORDS = [dict(contract.EXAMPLE) | {"number_inpatient": n % 8, "time_in_hospital": 1 + n % 9} for n in range(30)]


@dataclass(frozen=True, kw_only=True)
class Update:
    """A system that ran on the old code and was updated.

    Attributes:
        system: The running system, on the code of today.
        old: Folder of the old code.
        answers: What the old code answered, by prediction id.
        batch: What the old code answered to `RECORDS` in one request.
        outcomes: Outcomes that the old code accepted, by prediction id.
        champion: The model that the old code served, as in `readmission status`.
        tables: What training and ingest of the old code left in the database.
        clinic: A client that asked throughout.
    """

    system: System
    old: Path
    answers: dict[str, dict[str, Any]]
    batch: list[dict[str, Any]]
    outcomes: dict[str, str]
    champion: dict[str, Any]
    tables: dict[str, list[tuple[Any, ...]]]
    clinic: Clinic


def git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, check=False)


def previous_version() -> str:
    """Return the tag of the version before this commit; the first commit that counts where there is none."""
    tag = git("describe", "--tags", "--abbrev=0", "--match", "v[0-9]*", "HEAD^").stdout.decode().strip()
    return tag or FIRST


def old_tree(folder: Path) -> Path:
    """Unpack the package and the API of the previous version; skip where the clone does not have it."""
    version = previous_version()
    archive = git("archive", version, "pipelines", "serving")
    if archive.returncode:
        pytest.skip(
            f"THE UPDATE IS NOT TESTED: this clone does not have {version}, the version to update from "
            "(git fetch --unshallow)"
        )
    print(f"the previous version is {version}")
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


def rows(settings: Settings, query: str, role: Role = "monitor") -> list[tuple[Any, ...]]:
    with postgres.transaction(settings, role) as cursor:
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


def refuse(system: System) -> None:
    """Try an update to code that does not trust the champion: it fails with the reason and changes nothing."""
    supervisor = Supervisor(make_settings(system.home))
    before = supervisor.states()
    assert "`readmission update`" in system.run("status").stderr  # its tables are not those of this code
    own = system.environment
    system.environment = own | {"READMISSION_SIGNING_KEY": "of somebody else"}
    refused = system.run("update", timeout=400)
    system.environment = own
    assert refused.returncode == 1
    assert "This code does not serve the model of the running system: version 1 is not served" in refused.stderr
    assert "The system runs on as it was." in refused.stderr
    assert supervisor.states() == before


def later_batch(update: Update) -> Path:
    """Write 500 rows that are in no batch yet, as the sample's file has them."""
    lines = Path(location(make_settings(update.system.home))).read_text().splitlines()
    mark, header = lines[:2]  # the first line says that the data is synthetic
    numbers = (line.partition(",") for line in lines[-500:])
    path = update.system.home / "later.csv"
    path.write_text("\n".join([mark, header, *(f"{int(first) + 10**9},{rest}" for first, _, rest in numbers)]) + "\n")
    return path


@contextmanager
def previous_api(system: System, home: Path) -> Iterator[Api]:
    """Run an API on the code that the system's environment names, with the system's stores and a state of its own."""
    secrets = dict(line.split("=", 1) for line in (system.home / "secrets.env").read_text().splitlines())
    names = ("PYTHONPATH", "PYTHONSAFEPATH", "READMISSION_POSTGRES_PORT")
    registry = {"READMISSION_MLFLOW_URI": f"http://127.0.0.1:{system.ports['mlflow']}"}
    api = Api(home, secrets | {name: system.environment[name] for name in names} | registry, home.parent)
    try:
        yield api.wait("/readyz")
    finally:
        api.stop()
