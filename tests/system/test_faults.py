"""The faults that need no embedded system of their own, injected as `make faults` injects them, on every run.

`make faults` injects all of them; docs/faults.md has its results.
"""

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from faults.__main__ import choose, inject
from faults.api import Api
from faults.models import compile_other
from faults.site import Site
from readmission.settings import Settings

#: Part of the name of each fault. One for each way to lose a prediction: on the way to the disk, from the disk to the
#: database, in the database's answer, at a promotion, at a start.
INJECTED = (
    "worker killed",
    "power cut of the API, mode `sync`",
    "between insert and truncation",
    "corrupt artifact",
    "API started while PostgreSQL and MLflow are away",
)


class SmallSite(Site):
    """Site on the PostgreSQL and MLflow of the tests, with a small model as champion: there within seconds.

    Args:
        folder: Folder of its own.
        settings: Database, server and names of the test's own.
        secrets: File with the passwords of that PostgreSQL.
    """

    def __init__(self, folder: Path, settings: Settings, secrets: Path) -> None:
        super().__init__(folder)
        self.system.home.mkdir()
        shutil.copy(secrets, self.system.home)
        self.settings = settings

    def open(self) -> None:
        names = self.settings.mlflow
        self.registry = MlflowClient(names.tracking_uri)
        self.registry.create_experiment(names.experiment)
        self.registry.create_registered_model(names.model_name)
        self.set_alias(self.publish(compile_other(self.folder)))
        self.watch()

    def new_api(self, home: Path, **environment: str) -> Api:
        own = {
            "READMISSION_POSTGRES_DATABASE": self.settings.postgres.database,
            "READMISSION_MODEL_NAME": self.settings.mlflow.model_name,
        }
        return super().new_api(home, **own, **environment)


@pytest.fixture
def site(database: Settings, postgres_server: Settings, mlflow_server: str, tmp_path: Path) -> Iterator[SmallSite]:
    name = f"faults_{uuid.uuid4().hex[:8]}"
    port = int(mlflow_server.rpartition(":")[2])
    settings = database.replace(mlflow_uri=mlflow_server, mlflow_port=port, experiment=name, model_name=name)
    it = SmallSite(tmp_path, settings, postgres_server.home / "secrets.env")
    try:
        it.open()
        yield it
    finally:
        it.close()


def test_nothing_acknowledged_is_lost(site: SmallSite) -> None:
    table = inject(site, choose(INJECTED, quick=False))
    print(table.render())
    assert (len(table.rows), table.problems, table.skipped) == (len(INJECTED), [], [])
    for name, lost, *_ in table.rows:
        assert lost.startswith("0 of ") and lost != "0 of 0 predictions", name
