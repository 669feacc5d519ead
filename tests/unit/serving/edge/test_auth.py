"""Keys open what their scopes say, and are read again when their file changes."""

import os
from hashlib import sha256
from pathlib import Path

import pytest

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


def test_a_changed_file_is_read_and_a_wrong_one_is_not(path: Path) -> None:
    keys = ApiKeys(path)
    path.write_text(line("new", "n", "predict"))
    os.utime(path, (1, 1))
    keys.refresh()
    assert (status(keys, "n", "predict"), status(keys, "w", "predict")) == (200, 401)
    path.write_text(line("new", "n", "all"))
    os.utime(path, (2, 2))
    keys.refresh()
    assert status(keys, "n", "predict") == 200
