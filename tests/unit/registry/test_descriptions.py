"""What MLflow shows a person."""

import pytest

from readmission.registry import descriptions


def test_a_run_says_which_verb_made_it_by_whom_and_from_which_commit() -> None:
    shown = descriptions.origin({"step": "train", "git_sha": "abc", "family": "xgboost"})
    assert shown["mlflow.source.name"] == "readmission train"
    assert shown["mlflow.source.git.commit"] == "abc"
    assert shown["mlflow.user"]
    assert set(descriptions.origin({})) == {"mlflow.source.type", "mlflow.user"}


def test_a_user_without_a_name_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr("getpass.getuser", nameless)
    assert descriptions.origin({})["mlflow.user"] == "readmission"


def test_synthetic_data_is_called_so() -> None:
    [real] = descriptions.note_of_training("batches 1-2", 30_000, synthetic=False).values()
    assert real == "Trained on batches 1-2: 30,000 encounters, split by patient."
    [made_up] = descriptions.note_of_training("batches 1-2", 30_000, synthetic=True).values()
    assert "SYNTHETIC" in made_up
