"""The pure parts of tracking: version, requirements and signature of a logged Pipeline."""

from readmission import contract
from readmission.registry import tracking
from readmission.settings import Settings


def test_the_commit_of_an_image_is_its_code_version() -> None:
    assert tracking.code_version(Settings(_env_file=None, git_sha="abc123")) == "abc123"


def test_the_requirements_of_a_logged_pipeline_are_pinned() -> None:
    lines = tracking.requirements()
    assert [line for line in lines if line.startswith("scikit-learn==")]
    assert all("==" in line for line in lines)


def test_the_signature_takes_the_columns_of_the_contract() -> None:
    signature = tracking.signature()
    assert {column.name for column in contract.FEATURE_COLUMNS} <= set(signature.inputs.input_names())
