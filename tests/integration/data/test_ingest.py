"""Raw rows into RAW: every row counted once, bad ones kept with their reasons, safe to kill and rerun."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings, strategies

from readmission import contract
from readmission.contract import codes, validation
from readmission.data import snapshots, sources
from readmission.errors import UserError
from readmission.features import encoding
from readmission.settings import Role, Settings
from readmission.steps import ingest, process
from readmission.stores import postgres
from tests.integration.data.tools import as_csv, ledger, load, query, rows_of


def test_real_and_synthetic_rows_are_never_mixed(database: Settings, sample: Path) -> None:
    rows = rows_of(sample, 4)
    load(database, as_csv(rows))
    with pytest.raises(UserError, match="never mixed"):
        load(database, as_csv(rows).split(b"\n", 1)[1], "real.csv")


def test_batches_are_taken_in_order_once_and_by_number(database: Settings, sample: Path) -> None:
    config = database.replace(batch_size=700, source=str(sample))
    assert ingest.run(config) == [1]
    assert ingest.run(config, batch=3) == [2]
    assert ingest.run(config, batch=3) == []
    assert ingest.run(config, every=True) == [3]
    assert ingest.run(config) == []
    assert [row[0] for row in ledger(config)] == [700, 600, 700]
    assert query(config, "SELECT count(DISTINCT encounter_id) FROM raw.encounters") == [(2000,)]
    with pytest.raises(UserError, match="batches 1 to 3"):
        ingest.run(config, batch=4)


@given(strategies.data())
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_row_is_accounted_for_whatever_it_holds(
    database: Settings, sample: Path, data: strategies.DataObject
) -> None:
    """Any text in any field: read = accepted + quarantined + duplicate, and a rerun adds nothing."""
    text = strategies.text(
        strategies.characters(codec="utf-8", exclude_characters='"\r\n\0', exclude_categories=["Cs"]), max_size=12
    )
    rows = rows_of(sample, 12)
    for _ in range(data.draw(strategies.integers(0, 8))):
        row = rows[data.draw(strategies.integers(0, 11))]
        row[data.draw(strategies.sampled_from(contract.COLUMN_NAMES))] = data.draw(text)
    before = len(ledger(database))
    tolerant = database.replace(quarantine_limit=1.0)
    load(tolerant, as_csv(rows), f"rows-{before}.csv")
    load(tolerant, as_csv(rows), f"rows-{before}.csv")
    for read, accepted, quarantined, duplicate in ledger(database):
        assert read == 12 == accepted + quarantined + duplicate
    kept = "SELECT (SELECT count(*) FROM raw.encounters) + (SELECT count(*) FROM raw.corrections)"
    assert query(database, kept) == [(sum(row[1] for row in ledger(database)),)]


def test_contract_and_validation_agree_on_the_sample(sample: Path) -> None:
    table, unreadable = sources.parse(sample.read_bytes(), "sample")
    assert not unreadable
    assert validation.problems(table.to_pandas()) == {}


@pytest.mark.real
def test_the_real_data_is_accepted_to_the_last_row(database: Settings, real_source: Path) -> None:
    config = database.replace(source=str(real_source))
    assert ingest.run(config, every=True) == [1, 2, 3, 4, 5, 6, 7]
    assert ledger(config) == [(15000, 15000, 0, 0)] * 6 + [(11766, 11766, 0, 0)]
    assert process.run(config) == [1, 2, 3, 4, 5, 6, 7]
    assert query(config, "SELECT count(*), count(DISTINCT patient_nbr) FROM clean.encounters") == [(99343, 69990)]
    assert query(config, "SELECT sum(excluded) FROM clean.batches") == [(2423,)]
    assert query(
        config,
        "SELECT count(DISTINCT split) FROM clean.encounters GROUP BY patient_nbr HAVING count(*) > 1 "
        "ORDER BY 1 DESC LIMIT 1",
    ) == [(1,)]


@pytest.mark.parametrize("verb", ["ingest", "process"])
def test_killed_at_any_moment_and_rerun_ends_in_the_same_tables(database: Settings, sample: Path, verb: str) -> None:
    config = database.replace(batch_size=400, source=str(sample))
    environment = os.environ | {
        "READMISSION_HOME": str(config.home),
        "READMISSION_SETTINGS": str(database_file(config)),
    }
    if verb == "process":
        ingest.run(config, every=True)
    step = [sys.executable, "-m", "readmission.cli", verb, *(["--all"] if verb == "ingest" else [])]
    for pause in (0.1, 0.4, 0.8):
        start = time.monotonic()
        process_ = subprocess.Popen(step, env=environment, stderr=subprocess.PIPE)
        # The first line of the log says that a batch is in: kill shortly after it, mid-batch.
        assert process_.stderr is not None
        process_.stderr.readline()
        time.sleep(pause * min(1.0, time.monotonic() - start) / 10)
        process_.send_signal(signal.SIGKILL)
        process_.wait()
        process_.stderr.close()
    if verb == "ingest":
        ingest.run(config, every=True)
        assert ledger(config) == [(400, 400, 0, 0)] * 5
    else:
        process.run(config)
    counts = query(config, "SELECT count(*), count(DISTINCT encounter_id) FROM raw.encounters")
    assert counts == [(2000, 2000)]
    if verb == "process":
        expected = (
            "SELECT count(*) FROM raw.encounters WHERE discharge_disposition_id NOT IN ('11','13','14','19','20','21')"
        )
        assert query(config, "SELECT count(*) FROM clean.encounters") == query(config, expected)
        assert query(config, "SELECT sum(rows) FROM clean.batches") == query(config, expected)


def database_file(config: Settings) -> Path:
    """Write the settings of one test as a file for child processes."""
    path = config.home / "test.env"
    path.parent.mkdir(parents=True, exist_ok=True)
    roles: tuple[Role | Literal["admin"], ...] = (
        "admin",
        "owner",
        "ingest",
        "process",
        "train",
        "score",
        "serving",
        "monitor",
    )
    lines = [f"READMISSION_POSTGRES_PASSWORD_{role.upper()}={config.password(role)}" for role in roles]
    lines += [
        f"READMISSION_{name.upper()}={config.value(name)}"
        for name in ("postgres_port", "postgres_database", "batch_size", "source")
    ]
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("ingest", "SELECT 1 FROM serving.predictions"),
        ("ingest", "SELECT 1 FROM clean.encounters"),
        ("ingest", "DELETE FROM raw.encounters"),
        ("process", "INSERT INTO raw.batches DEFAULT VALUES"),
        ("process", "SELECT 1 FROM serving.feedback"),
        ("train", "UPDATE clean.encounters SET readmitted = 'NO'"),
        ("train", "SELECT 1 FROM serving.predictions"),
        ("train", "UPDATE training.promotions SET decided_by = 'somebody else'"),
        ("serving", "SELECT 1 FROM raw.encounters"),
        ("serving", "INSERT INTO clean.batches DEFAULT VALUES"),
        ("score", "SELECT 1 FROM raw.encounters"),
        ("score", "DELETE FROM serving.scores"),
        ("monitor", "DELETE FROM serving.predictions"),
    ],
)
def test_a_role_may_do_what_its_step_needs_and_nothing_else(database: Settings, role: Role, statement: str) -> None:
    with (
        pytest.raises(psycopg2.errors.InsufficientPrivilege),
        postgres.transaction(database, role) as cursor,
    ):
        cursor.execute(statement)


@pytest.mark.parametrize(
    ("patient", "split"), [(8222157, "train"), (84259809, "validation"), (48330783, "test"), (42519267, "train")]
)
def test_split_of_a_patient_never_changes(patient: int, split: str) -> None:
    assert encoding.split_of(patient) == split


def test_missing_tokens_become_missing_and_the_text_none_stays(database: Settings, sample: Path) -> None:
    config = database.replace(source=str(sample))
    ingest.run(config, every=True)
    process.run(config)
    snapshot = snapshots.find(config)
    frame = snapshot.frame()
    raw = sources.parse(sample.read_bytes(), "sample")[0].to_pandas()
    raw = raw[~raw["discharge_disposition_id"].isin([str(n) for n in contract.EXCLUDED_DISPOSITIONS])]
    assert snapshot.batches == [1]
    assert len(snapshot.sha256) == 64
    for name in ("race", "weight", "diag_2"):
        assert frame[name].isna().sum() == (raw[name] == "?").sum() > 0
    assert (frame["A1Cresult"] == "None").sum() == (raw["A1Cresult"] == "None").sum() > 0
    assert frame["num_medications"].dtype == float
    assert set(frame["split"]) == {"train", "validation", "test"}
    assert not set(codes.DRUGS) - set(frame.columns)


def test_a_snapshot_that_was_changed_is_refused(database: Settings, sample: Path) -> None:
    config = database.replace(source=str(sample))
    ingest.run(config, every=True)
    process.run(config)
    file = next((config.home / "objects").rglob("*.parquet"))
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(UserError, match="not what `process` wrote"):
        snapshots.find(config).frame()
