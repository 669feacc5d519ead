"""The signature of a logged Pipeline."""

from readmission import contract
from readmission.registry import tracking


def test_the_signature_takes_the_columns_of_the_contract() -> None:
    signature = tracking.signature()
    assert {column.name for column in contract.FEATURE_COLUMNS} <= set(signature.inputs.input_names())
