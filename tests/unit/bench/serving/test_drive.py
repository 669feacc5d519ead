"""What wrk prints is read like a result of this project's generator."""

from pathlib import Path

import pytest

from bench.serving import drive


def test_wrk_counts_refusals_as_failures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = '{"requests":110,"seconds":2.0,"status":10,"broken":3,"p50":1000,"p95":2000,"p99":3000,"max":4000}'
    monkeypatch.setattr(drive, "_run", lambda command: f"Running 2s test\n{line}")
    result = drive._wrk("http://127.0.0.1:1/predict", tmp_path / "bodies", 8, 2.0)
    assert (result.answered, result.failed, result.broken, result.per_second) == (100, 13, 3, 50.0)
    assert (result.p50_ms, result.p95_ms, result.p99_ms, result.worst_ms) == (1.0, 2.0, 3.0, 4.0)
    assert str(tmp_path / "bodies") in (tmp_path / "bodies.lua").read_text()


def test_a_generator_that_fails_is_named_with_its_last_words() -> None:
    with pytest.raises(RuntimeError, match="sh failed: no such host"):
        drive._run(["sh", "-c", "echo no such host >&2; exit 2"])
