"""Whoever was erased since a backup is erased again by its restore."""

import io
from pathlib import Path

import pyarrow.parquet

from readmission.privacy.again import TOMBSTONES, tombstone_name
from readmission.stores import objects
from tests.integration.backup.conftest import Installation

COUNT = "SELECT count(*) FROM raw.encounters WHERE patient_nbr = %(patient)s"


def test_a_restore_erases_again_whom_a_newer_tombstone_names(installation: Installation, tmp_path: Path) -> None:
    settings = installation.settings
    done = installation.run("backup", str(tmp_path / "backups"))
    assert done.returncode == 0, done.stderr
    ((patient,),) = installation.execute("SELECT patient_nbr FROM clean.encounters WHERE batch_id = 1 LIMIT 1")
    others = installation.execute("SELECT count(*) FROM clean.encounters WHERE patient_nbr <> %(p)s", p=patient)
    store = objects.objects(settings)
    store.put(TOMBSTONES + tombstone_name(settings.patient_keys[0], patient), b"")
    done = installation.run("restore", str(tmp_path / "backups"))
    assert done.returncode == 0, done.stderr
    assert installation.execute(COUNT, patient=patient) == [(0,)]
    assert installation.execute("SELECT count(*) FROM clean.encounters WHERE patient_nbr <> %(p)s", p=patient) == others
    for (key,) in installation.execute("SELECT snapshot FROM clean.batches"):
        table = pyarrow.parquet.read_table(io.BytesIO(store.get(key)))
        assert patient not in table["patient_nbr"].to_pylist()
    assert installation.execute("SELECT count(*) FROM privacy.reissues")[0][0] >= 1
    assert len(store.keys("clean/")) == 2
