"""What `up` remembers."""

from pathlib import Path

from readmission.embedded import options


def test_variables_are_set_and_removed_and_other_lines_stay(tmp_path: Path) -> None:
    assert options.recall(tmp_path) == {}
    (tmp_path / "settings.env").write_text("# mine\nREADMISSION_BATCH_SIZE=5\n")
    options.remember(tmp_path, {options.SOURCE: "/data=1.csv", options.AIRFLOW: ""})
    assert options.recall(tmp_path) == {"READMISSION_BATCH_SIZE": "5", options.SOURCE: "/data=1.csv"}
    options.remember(tmp_path, {options.SOURCE: "", options.AIRFLOW: "true"})
    expected = "# mine\nREADMISSION_BATCH_SIZE=5\nREADMISSION_AIRFLOW=true\n"
    assert (tmp_path / "settings.env").read_text() == expected


def test_nothing_to_remember_writes_no_file(tmp_path: Path) -> None:
    options.remember(tmp_path, {options.SOURCE: ""})
    assert list(tmp_path.iterdir()) == []
