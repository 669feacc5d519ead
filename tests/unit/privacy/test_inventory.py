"""Files of the state folder are recognised by their path."""

import pytest

from readmission.privacy import inventory


@pytest.mark.parametrize(
    ("path", "holds"),
    [
        ("models/diabetes_readmission/3/visits.bin", True),
        ("models/diabetes_readmission/3/scorer.json", False),
        ("mlflow-artifacts/1/0f/artifacts/serving/visits.bin", True),
        ("mlflow-artifacts/1/0f/artifacts/serving/golden.json", False),
        ("spool/00123-4.log", True),
        ("spool/unreadable/00123-4.log", True),
        ("objects/clean/batch=0001/ab.parquet", True),
        ("objects/monitoring/batch=0001/ab.html", False),
        ("secrets.env", False),
    ],
)
def test_a_path_has_its_entry(path: str, holds: bool) -> None:
    files = inventory.find_files(path)
    assert files is not None
    assert bool(files.contents) is holds


def test_an_unknown_file_is_named() -> None:
    unknown = ["models/m/1/patients.csv", "mlflow-artifacts/1/0f/artifacts/rows.parquet", "export.csv"]
    assert inventory.unregistered_files([*unknown, "logs/api.log"]) == unknown


def test_tables_are_listed_once_and_retention_names_a_setting() -> None:
    from readmission.settings import VARIABLES

    names = [table.name for table in inventory.TABLES]
    assert len(names) == len(set(names))
    for table in inventory.TABLES:
        assert not set(table.patient) & set(table.other), table.name
        assert not table.setting or (table.setting in VARIABLES and table.moment), table.name
        assert not table.erase or table.contents, table.name


def test_a_piece_that_cannot_be_stored_is_not_taken_for_one_on_its_way() -> None:
    for path, pattern in (("spool/unreadable/1-2.log", "spool/unreadable/*"), ("spool/1-2.log", "spool/*.log")):
        files = inventory.find_files(path)
        assert files is not None and files.patterns[0] == pattern
