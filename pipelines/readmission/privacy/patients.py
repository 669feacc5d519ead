"""Number or reference of a patient, as a person gives it to a command."""

import re
import sys

from readmission import contract
from readmission.errors import UserError

#: What FHIR calls a reference: a type and an id, or a URN.
_REFERENCE = re.compile(r"[A-Za-z]+/[A-Za-z0-9.\-]{1,64}|urn:[!-~]{1,200}")


def read_patient(text: str) -> int | str:
    """Return a patient's number, or the reference by which a record system names them.

    Args:
        text: The number or reference; `-` reads one line of standard input, which no list of processes shows.

    Raises:
        UserError: It is neither. The message does not repeat it.
    """
    number = (sys.stdin.readline() if text == "-" else text).strip()
    if _REFERENCE.fullmatch(number):
        return number
    column = contract.BY_NAME["patient_nbr"]
    if column.problem(number):
        allowed = f"{column.allowed}, or a FHIR reference such as Patient/p1"
        raise UserError(f"--patient is not the number of a patient; allowed: {allowed}.")
    return int(number)
