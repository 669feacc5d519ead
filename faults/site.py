"""Place of all faults: an embedded system, and an API of our own whose ways to the stores are proxies."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
from mlflow.tracking import MlflowClient

from faults.api import Api
from faults.clients import Clients
from faults.journal import Journal
from faults.observation import Observation
from faults.proxy import Proxy
from readmission.backup.drill_system import System
from readmission.embedded.supervisor import Supervisor
from readmission.errors import UserError
from readmission.files import file_sha256
from readmission.polling import wait_until
from readmission.scorer.custody import SIGNATURE, Statement, sign
from readmission.scorer.manifest import MANIFEST
from readmission.settings import Settings
from readmission.stores import postgres

_STORED = """
SELECT request_id, count(*) FROM serving.predictions WHERE request_id LIKE %(prefix)s GROUP BY request_id"""

#: Seconds without progress after which what has not come is lost.
_PATIENCE = 90.0
_RECORDED = """
SELECT model_version FROM training.promotions WHERE model_name = %(model)s AND decision <> 'refused'
ORDER BY id DESC LIMIT 1"""


class Site:
    """A system with what disturbs it.

    Args:
        folder: Folder of its own.
        source: Data of the system; empty for the synthetic sample.

    Attributes:
        system: Postgres, MLflow and the pipeline, with the champion of version 1.
        postgres, mlflow: Ways of the API to them.
        api: API that most faults disturb: two workers, every answer on disk before it is sent.
        expected: Probabilities by record and version, as undisturbed.
    """

    def __init__(self, folder: Path, source: str = "") -> None:
        self.folder = folder
        self.system = System(home=folder / "state", source=source)
        self.expected: dict[tuple[int, str], str] = {}

    def open(self) -> None:
        """Start everything."""
        self._start_system()
        self.registry = MlflowClient(self.settings.mlflow.tracking_uri)
        self.watch()

    def watch(self) -> None:
        """Start an API on the system, with a proxy before each store."""
        self.postgres, self.mlflow = Proxy(self.settings.postgres.port), Proxy(self.settings.mlflow.port)
        self.champion = self.alias()
        self.api = self.new_api(self.folder / "api", READMISSION_API_WORKERS="2")
        self.api.start()
        self.learn(self.api)

    def reopen(self) -> None:
        """Start a system and an API that were stopped."""
        self._start_system()
        self.api.start()

    def _start_system(self) -> None:
        self.system.start()
        self.settings: Settings = self.system.settings
        self.supervisor = Supervisor(self.settings)
        for part in ("ui", "api"):  # they would only take time from the other API
            self.supervisor.stop(part)

    def alias(self) -> str:
        """Return the champion's version in the registry."""
        name = self.settings.mlflow.model_name
        return str(self.registry.get_model_version_by_alias(name, "champion").version)

    def set_alias(self, version: str) -> None:
        """Name another champion in the registry."""
        self.registry.set_registered_model_alias(self.settings.mlflow.model_name, "champion", version)

    def publish(self, folder: Path) -> str:
        """Register a compiled model as a new version, and return it.

        It is signed, as an approved one is: what is wrong with it must be noticed otherwise.
        """
        name = self.settings.mlflow.model_name
        [experiment] = self.registry.search_experiments(filter_string=f"name = '{self.settings.mlflow.experiment}'")
        run = self.registry.create_run(experiment.experiment_id)
        if key := self.settings.signing_key:
            digest = file_sha256(folder / MANIFEST)
            statement = Statement(manifest_sha256=digest, pipeline_sha256="", run_id=run.info.run_id)
            (folder / SIGNATURE).write_bytes(sign(key, statement))
        self.registry.log_artifacts(run.info.run_id, str(folder), "serving")
        version = self.registry.create_model_version(name, f"runs:/{run.info.run_id}/model", run.info.run_id)
        return str(version.version)

    def new_api(self, home: Path, **environment: str) -> Api:
        """Return an API that is not started: same stores, a state folder of its own."""
        lines = (self.system.home / "secrets.env").read_text().splitlines()
        outside = {name: value for name, value in os.environ.items() if not name.startswith("READMISSION_")}
        return Api(
            home,
            outside
            | dict(line.split("=", 1) for line in lines)
            | {
                "READMISSION_POSTGRES_PORT": str(self.postgres.port),
                "READMISSION_MLFLOW_URI": f"http://127.0.0.1:{self.mlflow.port}",
                "READMISSION_PREDICTION_LOG": "sync",
                "READMISSION_RELOAD_INTERVAL": "0.5",
            }
            | environment,
        )

    @contextlib.contextmanager
    def another_api(self, name: str, **environment: str) -> Iterator[Api]:
        """Run an API beside the one that most faults disturb, which rests meanwhile."""
        self.api.stop()
        api = self.new_api(self.folder / name, **environment)
        try:
            api.start()
            yield api
        finally:
            api.stop()
            self.api.start()

    def learn(self, api: Api) -> None:
        """Ask for every record, and keep the answers as those of the version that serves."""
        self.expected |= api.answers()

    def read(self, query: str, **values: object) -> list[tuple[Any, ...]]:
        """Query the database as the monitor, past the proxy; wait for it if it is just starting."""
        deadline = time.monotonic() + 60
        while True:
            try:
                with postgres.transaction(self.settings, "monitor") as cursor:
                    cursor.execute(query, values)
                    return list(cursor.fetchall())
            except UserError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def stored(self, prefix: str) -> dict[str, int]:
        """Return the number of stored predictions by request id."""
        return dict(self.read(_STORED, prefix=f"{prefix}%"))

    def recorded_champion(self) -> str:
        """Return the champion that the ledger of promotions names."""
        return str(self.read(_RECORDED, model=self.settings.mlflow.model_name)[0][0])

    def settle(self, missing: Callable[[], int], patience: float = 0.0) -> int:
        """Wait until nothing is missing, or nothing more moves for some time; return how many are missing.

        Args:
            missing: Counts what is missing.
            patience: Seconds in which neither the count nor the oldest piece of a spool changes. If 0, a minute and a
                half: the sidecar is the last to get the processor.
        """
        moved, state = time.monotonic(), (missing(), self._oldest())
        while state[0] and time.monotonic() - moved < (patience or _PATIENCE):
            time.sleep(0.5)
            if (now := (missing(), self._oldest())) != state:
                moved, state = time.monotonic(), now
        return state[0]

    def _oldest(self) -> str:
        """Return the name of the oldest piece in any spool; empty if all is in the database."""
        return min((path.name for path in self.folder.glob("*/spool/*.log")), default="")

    def heal(self) -> None:
        """Let everything be as before the fault; wait until it is."""
        self.postgres.accept()
        self.mlflow.accept()
        if self.alias() != self.champion:
            self.set_alias(self.champion)
        if not self.api.running():
            self.api.start()
        self.api.wait_for_version(self.champion)

    def judge(self, clients: Clients, saw: str = "", *, interval: tuple[float, float] | None = None) -> Observation:
        """Count what clients were told against the database.

        Args:
            clients: Stopped ones.
            saw: What the user saw, if more than the answers.
            interval: Monotonic seconds between which answers may be lost: the log's interval before a kill in mode
                `group`.
        """
        journal = clients.journal
        patience = _PATIENCE if interval is None else _PATIENCE / 4
        self.settle(lambda: len(journal.count(self.stored(clients.prefix)).lost), patience)
        count = journal.count(self.stored(clients.prefix))
        promised = 0 if interval is None else len(count.lost) - len(_outside(journal, count.lost, *interval))
        lost = len(count.lost) - promised
        wrong = journal.wrong(self.expected)
        problems = []
        if lost:
            problems.append(
                f"{lost} of {count.acknowledged} acknowledged predictions are lost, such as {count.lost[0]}"
            )
        if count.repeated:
            problems.append(f"{len(count.repeated)} predictions are stored more than once")
        if wrong:
            problems.append(f"{len(wrong)} answers are not those of their model")
        if not count.acknowledged:
            problems.append("no prediction was acknowledged, so nothing was tested")
        return Observation(
            lost=f"{len(count.lost):,} of {count.acknowledged:,} predictions"
            + (" (within the promised interval)" if promised and not lost else ""),
            failing=journal.failing_seconds(),
            saw=saw or journal.saw(),
            problems=tuple(problems),
        )

    def close(self) -> None:
        """End everything."""
        if "api" in vars(self):
            self.api.kill()
        self.system.kill()

    def wait_for_stored(self, clients: Clients, number: int) -> None:
        """Wait until the database has some predictions of clients."""
        wait_until(
            lambda: len(self.stored(clients.prefix)) >= number,
            seconds=120,
            failure=f"the database has not got {number} predictions within 120 s",
        )


def _outside(journal: Journal, names: list[str], low: float, high: float) -> list[str]:
    ended = {request.name: request.ended for request in journal.requests}
    return [name for name in names if not low <= ended[name] <= high]


def metric(api: Api, name: str) -> float:
    """Return the sum of an API's samples of one name."""
    lines = httpx.get(f"{api.url}/metrics", timeout=10).text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((name + "{", name + " ")))
