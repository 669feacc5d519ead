"""The whole chain by Airflow with everything real, each step killed once and one family failing for good.

On the first 12,000 rows of the real data set in three batches when it is there, else of the synthetic sample (two);
tests/system/test_real_data.py takes all of them. The first run of ingest is killed when its batch is in, so that its
retry takes the next one.
"""

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from readmission import models
from readmission.data import content, synthetic
from readmission.data.sorting import content_hashes
from readmission.data.sources import FileSource, open_source
from readmission.settings import Role, Settings
from readmission.stores import objects, postgres
from tests.conftest import REAL_DATA, free_port, make_settings

FAILING = "decision_tree"

pytestmark = [
    pytest.mark.timeout(1200),  # of the chain, which the first test waits for
]

#: Stands in for `readmission`: the first call of each verb is killed without warning after its first line of output.
SABOTEUR = """#!{python}
import os, pathlib, signal, subprocess, sys, time
verb, rest = sys.argv[5], sys.argv[6:]
if {failing!r} in rest:
    sys.exit("out of memory")
mark = pathlib.Path({folder!r}) / f"killed-{{verb}}"
command = [{python!r}, "-m", "readmission.cli", *sys.argv[1:]]
if mark.exists():
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    with (mark.parent / f"said-{{verb}}").open("ab") as said:
        said.write(result.stdout)
    sys.stdout.buffer.write(result.stdout)
    sys.exit(result.returncode)
process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
mark.write_bytes(process.stdout.readline())
time.sleep(0.5)
process.kill()
os.kill(os.getpid(), signal.SIGKILL)
"""


@dataclass
class Chain:
    settings: Settings
    source: FileSource
    folder: Path
    output: str
    code: int

    @property
    def batches(self) -> int:
        return self.source.batches

    def query(self, text: str, role: Role = "monitor") -> list[tuple[Any, ...]]:
        with postgres.transaction(self.settings, role) as cursor:
            cursor.execute(text)
            return cursor.fetchall()


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    folder = tmp_path_factory.mktemp("chain")
    ports = {name: free_port() for name in ("postgres_port", "mlflow_port", "api_port", "ui_port")}
    source, size = folder / "rows.csv", 4_000
    if REAL_DATA.is_file():
        rows = content.unzip(REAL_DATA.read_bytes(), REAL_DATA.name).splitlines(keepends=True)
        source.write_bytes(b"".join(rows[: 1 + 3 * size]))
    else:
        size = 1_000
        source.write_bytes(synthetic.generate(2_000, seed=7))
    settings = make_settings(folder / "home", source=str(source), batch_size=size, **ports)
    saboteur = folder / "readmission"
    saboteur.write_text(SABOTEUR.format(python=sys.executable, failing=FAILING, folder=str(folder)))
    saboteur.chmod(0o755)
    own = {"home": settings.home, "source": source, "batch_size": size, **ports}
    environment = os.environ | {f"READMISSION_{name.upper()}": str(value) for name, value in own.items()}
    environment |= {
        f"AIRFLOW__READMISSION__{name}": value
        for name, value in {"COMMAND": str(saboteur), "RETRIES": "1", "RETRY_DELAY": "0.1"}.items()
    }
    cli = [sys.executable, "-m", "readmission.cli"]
    log = folder / "chain.log"
    try:
        with log.open("wb") as out:
            ended = subprocess.run([*cli, "dags", "--keep"], env=environment, stdout=out, stderr=out, check=False)
        yield Chain(settings, open_source(settings), folder, log.read_text(), ended.returncode)
    finally:
        subprocess.run([*cli, "down"], env=environment, check=True)


def test_every_step_was_killed_once_and_the_chain_went_on(chain: Chain) -> None:
    killed = {path.name.removeprefix("killed-") for path in chain.folder.glob("killed-*")}
    assert killed == {"ingest", "process", "train", "judge", "promote", "reload", "score"}, chain.output[-3000:]
    for name in ("ingest", "process", "train", "promote", "batch_score"):
        assert f"readmission_{name}: success" in chain.output, chain.output[-3000:]


def test_every_row_is_there_once_and_as_in_the_file(chain: Chain) -> None:
    ledger = chain.query(
        "SELECT source_batch, rows_read, accepted, quarantined, duplicate FROM raw.batches ORDER BY batch_id"
    )
    assert [row[0] for row in ledger] == list(range(1, chain.batches + 1))
    assert all(read == accepted + refused + same for _, read, accepted, refused, same in ledger)
    frames = [chain.source.batch(n).frame for n in range(1, chain.batches + 1)]
    assert sum(row[1] for row in ledger) == sum(map(len, frames))
    assert chain.query("SELECT count(*) FROM raw.encounters") == [(sum(row[2] for row in ledger),)]
    expected = {h for frame in frames for h in content_hashes(frame)}
    hashes = {row[0] for row in chain.query("SELECT content_hash FROM raw.encounters", "ingest")}
    assert hashes <= expected and len(expected - hashes) == sum(row[3] for row in ledger)


def test_every_batch_is_clean_once(chain: Chain) -> None:
    batches = chain.query("SELECT batch_id, rows, snapshot, snapshot_sha256 FROM clean.batches ORDER BY 1")
    assert [row[0] for row in batches] == list(range(1, chain.batches + 1))
    assert chain.query("SELECT batch_id, count(*) FROM clean.encounters GROUP BY 1 ORDER BY 1") == [
        (batch, rows) for batch, rows, _, _ in batches
    ]
    store = objects.objects(chain.settings)
    for _, _, key, digest in batches:
        assert hashlib.sha256(store.get(key)).hexdigest() == digest


def test_a_failing_family_stops_no_other_and_is_named(chain: Chain) -> None:
    trained = chain.query("SELECT family, last_batch FROM training.experiments ORDER BY 1")
    assert trained == sorted((family, chain.batches) for family in models.FAMILIES if family != FAILING)
    position = list(models.FAMILIES).index(FAILING)
    assert chain.code == 1
    assert f"failed: readmission_train.train[{position}]" in chain.output
    output = (chain.folder / "said-judge").read_text()
    assert re.search(rf"not trained on this data, so not compared: {FAILING}$", output, re.M), output


def test_one_model_is_registered_and_every_replica_serves_it(chain: Chain) -> None:
    assert chain.query("SELECT decision, model_version FROM training.promotions") == [("promoted", "1")]
    registry = f"{chain.settings.mlflow.tracking_uri}/api/2.0/mlflow"
    name = chain.settings.mlflow.model_name
    versions = httpx.get(f"{registry}/model-versions/search", params={"filter": f"name='{name}'"}, timeout=30).json()
    assert [v["version"] for v in versions["model_versions"]] == ["1"]
    assert httpx.get(f"{chain.settings.api.base_url}/model-info", timeout=30).json()["model_version"] == "1"
    ((rows,),) = chain.query("SELECT count(*) FROM clean.encounters")
    assert chain.query("SELECT model_version, count(*) FROM serving.scores GROUP BY 1") == [("1", rows)]


def test_the_chain_says_what_each_step_took(chain: Chain) -> None:
    names = re.findall(r"^readmission_(\w+): success in [\d.]+ s \(\w+", chain.output, re.M)
    # The killed first ingest had taken its batch: the retry took the second one.
    assert names.count("process") == chain.batches - 1
