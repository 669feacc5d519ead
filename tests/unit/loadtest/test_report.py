"""The report: what the run measured, as JSON, CSV, plot and one sentence."""

from pathlib import Path

import msgspec

from loadtest import profiles, report
from tests.unit.loadtest.runs import SUMMARY, moment


def test_report_holds_the_run(tmp_path: Path) -> None:
    report.write(tmp_path, "smoke", profiles.read_profile("smoke"), SUMMARY, [moment(1), moment(2)], ["a breach"])
    content = msgspec.json.decode((tmp_path / "summary.json").read_bytes())
    assert content["breaches"] == ["a breach"]
    assert content["summary"]["requests"] == 1000
    assert len((tmp_path / "moments.csv").read_text().splitlines()) == 3
    assert (tmp_path / "moments.svg").read_text().startswith("<?xml")


def test_a_run_is_one_sentence() -> None:
    assert report.sentence("smoke", SUMMARY) == (
        "Profile smoke: 1,000 requests, 0 failed, 100 a second; p50 2 ms, p95 20 ms, p99 40 ms, worst 60 ms."
    )


def test_the_machine_is_described() -> None:
    machine = report.machine()
    assert machine["cpu"] and machine["cores"] >= 1
    assert machine["python"].startswith("3.")
