"""Copies of the data set: the same rows many times, with encounters and patients of their own."""

import csv
import io
import itertools
from pathlib import Path

from readmission.features.encoding import split_of


def write_replicated(content: bytes, copies: int, path: Path) -> None:
    """Write every row of a csv several times, each copy with encounter and patient numbers of its own.

    A patient's copies stay in the patient's split: in another one they would leak, and the gates would see it.
    """
    header, *rows = csv.reader(io.StringIO(content.decode()))
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for copy in range(copies):
            patients = {row[1]: replica_of(int(row[1]), copy) for row in rows}
            for row in rows:
                writer.writerow([int(row[0]) + copy * 10**9, patients[row[1]], *row[2:]])


def replica_of(patient: int, copy: int) -> int:
    """Return the number of a patient's copy: in the patient's split, and no other patient's."""
    numbers = (patient + copy * 10**9 + attempt * 10**11 for attempt in itertools.count())
    return next(number for number in numbers if split_of(number) == split_of(patient))
