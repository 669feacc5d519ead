"""What the hospital of a simulated year asks."""

import io

import pandas as pd

from bench.year.hospital import PARTIAL, records
from readmission import contract
from readmission.data import synthetic

ROWS = pd.read_csv(io.BytesIO(synthetic.generate(50, seed=3)), dtype=str, keep_default_na=False, skiprows=1)


def test_requests_state_what_the_file_states_and_no_outcome() -> None:
    for record, (_, row) in zip(records(ROWS), ROWS.iterrows(), strict=True):
        assert contract.TARGET not in record
        for column in contract.REQUEST_COLUMNS:
            text = row[column.name]
            assert column.text(record.get(column.name)) == text or (text == "?" and column.name not in record)


def test_a_partial_request_states_all_that_is_required() -> None:
    assert {column.name for column in contract.FEATURE_COLUMNS if column.required} < PARTIAL
    assert {"number_inpatient", "diag_1"} < PARTIAL < set(contract.FEATURE_NAMES)
