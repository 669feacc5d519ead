"""Copies of the raw rows are other encounters of other patients, and time and memory are printed."""

from pathlib import Path

import pytest

from bench.pipeline import dask
from readmission.settings import Settings
from readmission.steps import ingest
from readmission.stores import postgres


def test_a_copy_has_its_own_batches_encounters_and_patients(database: Settings, sample: Path) -> None:
    settings = database.replace(batch_size=1000)
    ingest.run(settings, source=str(sample), batch=1)
    rows = dask.count(settings)
    dask.replicate(settings, 1)
    dask.replicate(settings, 2)
    assert dask.count(settings) == 3 * rows
    with postgres.transaction(settings, "monitor") as cursor:
        cursor.execute("SELECT count(DISTINCT encounter_id), count(DISTINCT patient_nbr) FROM raw.encounters")
        encounters, patients = cursor.fetchone()
        cursor.execute("SELECT count(DISTINCT patient_nbr) FROM raw.encounters WHERE batch_id = 1")
        assert (encounters, patients) == (3 * rows, 3 * cursor.fetchone()[0])


def test_work_is_timed_by_its_rows(capsys: pytest.CaptureFixture[str]) -> None:
    assert dask.timed("nothing", 1000, lambda: "done") == "done"
    assert "nothing" in capsys.readouterr().out
    assert dask.peak_bytes() > 10_000_000
