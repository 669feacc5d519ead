"""Keys open what their scopes say, and are read again when their file changes."""

import os
from hashlib import sha256
from pathlib import Path

import pytest

from serving import metrics
from serving.edge.auth import ApiKeys, KeyScope
from serving.http import Header, Refused


def line(name: str, key: str, scopes: str) -> str:
    return f"{name}:{sha256(key.encode()).hexdigest()}:{scopes}\n"


def status(keys: ApiKeys, key: str, scope: KeyScope) -> int:
    headers: list[Header] = [(b"x-api-key", key.encode())] if key else []
    try:
        keys.require(headers, scope)
    except Refused as refused:
        return refused.response.status_code
    return 200


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text("# comment\n" + line("ward", "w", "predict, feedback") + line("boss", "b", "admin"))
    return path


def test_a_key_opens_its_scopes_alone(path: Path) -> None:
    keys = ApiKeys(path)
    assert [status(keys, "w", scope) for scope in ("predict", "feedback", "admin")] == [200, 200, 403]
    assert [status(keys, key, "predict") for key in ("", "x", "b")] == [401, 401, 403]
    keys.require([(b"authorization", b"bearer w")], "predict")


def test_without_a_file_all_is_open_but_admin() -> None:
    keys = ApiKeys(None, token="t")
    assert [status(keys, "", scope) for scope in ("predict", "feedback", "admin")] == [200, 200, 401]
    assert status(keys, "t", "admin") == 200
    assert status(ApiKeys(None), "", "admin") == 401


def test_a_changed_file_is_read_and_its_wrong_lines_open_nothing(path: Path) -> None:
    keys = ApiKeys(path)
    path.write_text(line("new", "n", "predict"))
    os.utime(path, (1, 1))
    keys.refresh()
    assert (status(keys, "n", "predict"), status(keys, "w", "predict")) == (200, 401)
    path.write_text(line("new", "n", "all") + line("other", "o", "predict"))
    os.utime(path, (2, 2))
    keys.refresh()
    assert (status(keys, "n", "predict"), status(keys, "o", "predict")) == (401, 200)
    # A line without a name may be the key itself, so none is quoted.
    assert keys.problem.startswith("line 1 of the file of API keys is not") and "new" not in keys.problem
    path.unlink()
    keys.refresh()
    assert status(keys, "o", "predict") == 200 and "cannot be read" in keys.problem
    path.write_text(line("other", "o", "predict"))
    os.utime(path, (2, 2))
    keys.refresh()
    assert keys.problem == ""


def test_the_hash_of_nothing_is_no_key(path: Path) -> None:
    path.write_text(line("slip", "", "predict,admin"))
    keys = ApiKeys(path)
    assert [status(keys, "", scope) for scope in ("predict", "admin")] == [401, 401]
    assert "empty key" in keys.problem


def test_a_problem_is_logged_once(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keys = ApiKeys(path)
    path.unlink()
    for _ in range(3):
        keys.refresh()
    assert len(caplog.records) == 1


def test_what_a_key_opened_is_counted_by_its_name(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keys, counter = ApiKeys(path), metrics.key_requests.labels("ward")
    before = counter._value.get()
    for key in ("w", "w", "x", "b"):
        status(keys, key, "predict")
    keys.refresh()
    keys.refresh()
    assert counter._value.get() == before + 2
    assert [record.getMessage() for record in caplog.records] == ["the key boss may not predict"]
