"""The payloads: encounters of the contract, and requests that break it."""

import zipfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest import payloads
from readmission import contract
from readmission.data import synthetic
from readmission.errors import UserError


def in_contract(record: payloads.Record) -> bool:
    required = {column.name for column in contract.FEATURE_COLUMNS if column.required}
    return required <= set(record) and all(
        contract.BY_NAME[name].problem(str(value)) is None for name, value in record.items()
    )


@given(st.integers(0, 10_000))
def test_drawn_encounters_are_of_the_contract(seed: int) -> None:
    assert all(in_contract(record) for record in payloads.encounters(20, seed))


def test_encounters_of_a_file_are_of_the_contract(tmp_path: Path) -> None:
    csv, archive = tmp_path / "rows.csv", tmp_path / "rows.zip"
    csv.write_bytes(synthetic.generate(200, 3))
    with zipfile.ZipFile(archive, "w") as out:
        out.write(csv, "dataset_diabetes/diabetic_data.csv")
    drawn = payloads.encounters(50, 1, csv)
    assert drawn == payloads.encounters(50, 1, archive)
    assert all(in_contract(record) for record in drawn)
    assert not any(name in record for record in drawn for name in contract.IDENTIFIERS)


@pytest.mark.parametrize("seed", range(4))
def test_bad_requests_are_bad(seed: int) -> None:
    record = payloads.encounters(1, 5)[0]
    broken = msgspec.json.decode(payloads.invalid(record, seed))
    unknown = [name for name in broken if name not in contract.BY_NAME]
    assert unknown or not in_contract(broken)


def test_a_source_without_encounters_is_refused(tmp_path: Path) -> None:
    csv, archive = tmp_path / "rows.csv", tmp_path / "rows.zip"
    csv.write_text("age,gender\n[70-80),Female\n")
    with pytest.raises(UserError, match=r"rows\.csv contains no encounter"):
        payloads.encounters(1, 0, csv)
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("readme.txt", "nothing")
    with pytest.raises(UserError, match=r"rows\.zip contains no diabetic_data\.csv"):
        payloads.encounters(1, 0, archive)
