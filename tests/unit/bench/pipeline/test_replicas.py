"""Copies of the data set."""

from pathlib import Path

from bench.pipeline.replicas import replica_of, write_replicated
from readmission.features.encoding import split_of


def test_copies_have_numbers_of_their_own_and_stay_in_the_patient_s_split(tmp_path: Path) -> None:
    path = tmp_path / "replicated.csv"
    write_replicated(b"encounter_id,patient_nbr,race\n1,7,?\n2,7,?\n3,8,?\n", 3, path)
    header, *lines = path.read_text().splitlines()
    rows = [line.split(",") for line in lines]
    assert header == "encounter_id,patient_nbr,race"
    assert len({row[0] for row in rows}) == len(rows) == 9
    assert len({row[1] for row in rows}) == 6
    assert [split_of(int(row[1])) for row in rows] == 3 * [split_of(7), split_of(7), split_of(8)]
    assert replica_of(7, 0) == 7
