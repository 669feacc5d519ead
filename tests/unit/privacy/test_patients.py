"""A patient's number is taken from the command line or from standard input, and never repeated in an error."""

import io

import pytest

from readmission.errors import UserError
from readmission.privacy.patients import read_patient


def test_a_number_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_patient(" 8222157 ") == 8222157
    monkeypatch.setattr("sys.stdin", io.StringIO("900\n"))
    assert read_patient("-") == 900


def test_a_reference_is_read() -> None:
    assert read_patient(" Patient/p-1 ") == "Patient/p-1"
    assert read_patient("urn:uuid:0") == "urn:uuid:0"


@pytest.mark.parametrize("text", ["", "87x41", "-5", "1.5", "Patient/p 1", "/1"])
def test_anything_else_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(UserError, match="not the number of a patient") as error:
        read_patient(text)
    assert not text or text not in str(error.value)
