"""An update under requests, and one step back: the old code serves, logs and trains on the schema of today."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from faults.api import Api
from faults.clients import Clients, asking
from readmission import polling
from readmission.embedded.supervisor import Supervisor
from readmission.settings import Settings
from tests.conftest import make_settings
from tests.system.conftest import System
from tests.system.test_update import ROOT, code_of, old_tree, rows

pytestmark = pytest.mark.timeout(1200)


@dataclass(kw_only=True)
class Installed:
    """A running system of the old code.

    Attributes:
        old: Tree of the old code.
    """

    system: System
    old: Path
    settings: Settings

    def run(self, tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a verb of one tree's code."""
        code_of(self.system, tree)
        return self.system.run(*arguments, timeout=400)

    def new_api(self) -> Api:
        """Return an API of the code of today: same stores, a home and a port of its own."""
        secrets = (self.system.home / "secrets.env").read_text().splitlines()
        return Api(
            self.system.home.parent / "new-api",
            dict(os.environ)
            | dict(line.split("=", 1) for line in secrets)
            | {
                "PYTHONPATH": f"{ROOT / 'pipelines'}:{ROOT}",
                "READMISSION_POSTGRES_PORT": str(self.system.ports["postgres"]),
                "READMISSION_MLFLOW_URI": f"http://127.0.0.1:{self.system.ports['mlflow']}",
                "READMISSION_RELOAD_INTERVAL": "0.5",
            },
        )

    def judge(self, clients: Clients) -> None:
        """Every request was answered, and every answer is in the database, once."""
        journal = clients.journal
        assert len(journal.requests) > 50
        assert journal.saw() == f"nothing: all {len(journal.requests):,} requests were answered"
        query = (
            "SELECT request_id, count(*) FROM serving.predictions"
            f" WHERE request_id LIKE '{clients.prefix}%' GROUP BY request_id"
        )
        polling.wait_until(
            lambda: not journal.count(dict(rows(self.settings, query))).lost,
            seconds=90,
            failure="answered predictions are not in the database",
        )
        assert not journal.count(dict(rows(self.settings, query))).repeated


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """Run a system of the old code."""
    folder = tmp_path_factory.mktemp("rolling")
    old = old_tree(folder / "old")
    system = System(folder / "state")
    code_of(system, old)
    try:
        started = system.run("up", "--detach", "--sample", timeout=800)
        assert started.returncode == 0, started.stderr[-3000:]
        yield Installed(
            system=system, old=old, settings=make_settings(system.home, postgres_port=system.ports["postgres"])
        )
    finally:
        code_of(system, ROOT)
        system.run("down")


def test_the_update_fails_no_request_and_the_step_back_neither(installed: Installed) -> None:
    supervisor = Supervisor(installed.settings)
    port = installed.system.ports["api"]
    before = rows(installed.settings, "SELECT version_num FROM public.alembic_version")

    # The old code serves and logs while the database is migrated under it, and afterwards.
    with asking(port, 30, before=2, after=3) as clients:
        migrated = installed.run(ROOT, "migrate")
        assert migrated.returncode == 0, migrated.stderr[-3000:]
    assert rows(installed.settings, "SELECT version_num FROM public.alembic_version") != before
    installed.judge(clients)

    # The new code starts beside the old, clients move, the old ends.
    new = installed.new_api()
    try:
        with asking(port, 30) as old_clients:
            new.start()
        with asking(new.port, 30, before=2) as new_clients:
            supervisor.stop("api")
        installed.judge(old_clients)
        installed.judge(new_clients)
        answered = {r.answer for r in (*clients.journal.requests, *new_clients.journal.requests)}
        by_record = {answer[:2] for answer in answered if answer}
        assert len(by_record) == len(answered), "old and new code answer the same to the bit"

        # One step back: the old code on the schema of today.
        supervisor.start("api")
        polling.wait_until(
            lambda: installed.system.status()["ready"], seconds=120, failure="the old code does not serve again"
        )
        with asking(port, 30) as back:
            new.stop()
        installed.judge(back)
    finally:
        new.kill()


def test_the_old_codes_steps_run_on_the_schema_of_today(installed: Installed) -> None:
    """Last: it adds to the tables."""
    for verb in (["ingest"], ["process"], ["train", "--models", "decision_tree", "--again"], ["promote"], ["score"]):
        done = installed.run(installed.old, *verb)
        assert done.returncode in (0, 99), f"{verb}: {done.stderr[-3000:]}"
