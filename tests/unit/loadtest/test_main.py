"""The Locust command of a run."""

from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from loadtest import __main__


def test_a_run_is_headless_unless_the_page_is_asked_for() -> None:
    folder = Path("reports")
    plain = __main__.command(__main__.parse(["course"]), "http://api", folder)
    assert plain[plain.index("--host") + 1] == "http://api" and plain[plain.index("--profile") + 1] == "course"
    assert "--headless" in plain and str(folder / "report.html") in plain and "--rows" not in plain
    page = __main__.command(__main__.parse(["course", "--web", "--rows", "x.csv"]), "http://api", folder)
    assert "--headless" not in page and page[page.index("--web-host") + 1] == "127.0.0.1"
    assert page[page.index("--rows") + 1] == "x.csv"


def test_a_report_is_copied_to_s3_below_the_name_of_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    folder = tmp_path / "course-20261127T120000Z"
    folder.mkdir()
    (folder / "summary.json").write_text("{}")
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="reports")
        __main__.upload(folder, "s3://reports/loadtest", "")
        body = client.get_object(Bucket="reports", Key=f"loadtest/{folder.name}/summary.json")["Body"].read()
    assert body == b"{}"
