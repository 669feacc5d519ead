"""One file per worker; damaged ones are passed over."""

import os
from pathlib import Path

from serving.predict.worker_status import WorkerStatus, delete_status, read_statuses, write_status


def test_what_a_worker_writes_every_worker_reads(tmp_path: Path) -> None:
    status = WorkerStatus(os.getpid(), "3", "", "")
    write_status(tmp_path, status)
    (tmp_path / "12.json").write_bytes(b"{")
    assert read_statuses(tmp_path) == [status]
    delete_status(tmp_path)
    delete_status(tmp_path)
    assert read_statuses(tmp_path) == []


def test_a_status_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    write_status(tmp_path / "absent", WorkerStatus(1, "3", "", ""))
    assert read_statuses(tmp_path / "absent") == []
