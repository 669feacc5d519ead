"""A delivery in ICD-10-CM: RAW keeps its codes, CLEAN has their translation, and the batch says which it was."""

from pathlib import Path
from random import Random

from readmission.contract import icd
from readmission.data import snapshots
from readmission.settings import Settings
from readmission.steps import ingest, process
from tests.integration.data.tools import as_csv, ledger, load, query, rows_of

CODES = ("I50.9", "E1165", "E878", "N18.6", "J44.9")


def test_a_delivery_in_icd10_becomes_clean_and_its_own_codes_stay_in_raw(database: Settings, sample: Path) -> None:
    rows, random = rows_of(sample, 60), Random(7)
    for row in rows:
        row |= {"diag_1": random.choice(CODES), "diag_2": random.choice(CODES), "diag_3": "?", "number_diagnoses": "9"}
    for row in rows[:30]:
        row |= dict.fromkeys(("diag_1", "diag_2"), "E878")
    rows[0]["diag_1"], rows[1]["diag_2"], rows[2]["diag_3"] = "428", "K52.89", "U07.1"
    load(database, as_csv(rows[10:30]), "old.csv")
    assert ledger(database) == [(20, 20, 0, 0)]
    config = database.replace(icd="10cm")
    load(config, as_csv(rows[:10] + rows[30:]), "new.csv")
    assert query(config, "SELECT icd FROM raw.batches ORDER BY batch_id") == [("9cm",), ("10cm",)]
    reasons = query(
        config, "SELECT reasons->0->>'field', reasons->0->>'problem' FROM raw.quarantine WHERE batch_id = 2"
    )
    assert set(reasons) >= {("diag_1", "pattern"), ("diag_2", "ambiguous"), ("diag_3", "unmapped")}
    process.run(config)
    pairs = query(
        config,
        "SELECT r.diag_1, c.diag_1 FROM raw.encounters r JOIN clean.encounters c USING (encounter_id)"
        " WHERE c.batch_id = 2",
        "process",
    )
    assert pairs and {code for code, _ in pairs} == set(CODES)
    assert all(clean == icd.to_icd9(raw, "10cm") for raw, clean in pairs)
    assert snapshots.code_systems(config, snapshots.find(config)) == ("9cm", "10cm")


def test_the_setting_alone_decides(database: Settings, sample: Path) -> None:
    rows = rows_of(sample, 5)
    for row in rows:
        row |= {"diag_1": "E119", "diag_2": "?", "diag_3": "?"}
    load(database.replace(quarantine_limit=1), as_csv(rows), "undeclared.csv")
    assert ledger(database)[0][1:3] == (0, 5)
    assert ingest.run(database.replace(icd="10cm", source=str(database.home / "undeclared.csv"))) == []
