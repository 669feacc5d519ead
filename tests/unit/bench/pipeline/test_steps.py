"""The source of a measured run."""

from pathlib import Path

from bench.pipeline import steps
from readmission.data import synthetic
from readmission.data.sources import FileSource


def test_a_file_is_read_where_it_lies_and_copies_are_written(tmp_path: Path) -> None:
    source, copy = tmp_path / "source.csv", tmp_path / "copy.csv"
    source.write_bytes(synthetic.generate(40, seed=1).partition(b"\n")[2])  # without its mark
    assert steps.local_source(str(source), 1, copy) == str(source) and not copy.exists()
    assert steps.local_source(str(source), 3, copy) == str(copy)
    frame = FileSource("copy", copy.read_bytes(), 1000).batch(1).frame
    assert len(frame) == frame["encounter_id"].nunique() == 120
