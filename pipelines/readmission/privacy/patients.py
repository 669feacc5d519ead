"""Number of a patient, as a person gives it to a command."""

import sys

from readmission import contract
from readmission.errors import UserError


def read_patient(text: str) -> int:
    """Return the number of a patient; `-` reads one line of standard input, which no list of processes shows.

    Raises:
        UserError: It is not the number of a patient. The message does not repeat it.
    """
    number = (sys.stdin.readline() if text == "-" else text).strip()
    column = contract.BY_NAME["patient_nbr"]
    if column.problem(number):
        raise UserError(f"--patient is not the number of a patient; allowed: {column.allowed}.")
    return int(number)
