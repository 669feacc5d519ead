"""The Job that makes the Secrets; the API server it talks to is held in memory (the real one: `make e2e`)."""

import base64
import hashlib
import importlib.util
from typing import Any

import chartlib
import pytest

spec = importlib.util.spec_from_file_location("credentials", chartlib.CHARTS / "foundation/files/credentials.py")
assert spec is not None and spec.loader is not None
credentials = importlib.util.module_from_spec(spec)
spec.loader.exec_module(credentials)

WANTED = [
    {"namespace": "a", "name": "all", "data": {"one": "{x}", "two": "{y}"}},
    {"namespace": "b", "name": "url", "data": {"url": "postgresql://u:{x}@h/db", "key": "{k-fernet}"}},
]


class Server:
    def __init__(self) -> None:
        self.secrets: dict[tuple[str, str], dict[str, Any]] = {}
        self.killed_after: int | None = None

    def __call__(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        key = path.split("/")
        if method == "GET":
            return self.secrets.get((key[0], key[2]))
        if self.killed_after is not None:
            if self.killed_after == 0:
                raise KeyboardInterrupt
            self.killed_after -= 1
        if method == "PATCH":
            self.secrets[key[0], key[2]]["data"] |= body["data"]
        elif (key[0], body["metadata"]["name"]) in self.secrets:
            return None
        else:
            self.secrets[key[0], body["metadata"]["name"]] = body
        return body

    def value(self, namespace: str, name: str, key: str) -> str:
        return base64.b64decode(self.secrets[namespace, name]["data"][key]).decode()


def test_makes_what_is_absent_with_one_value_a_name() -> None:
    server = Server()
    assert credentials.make(WANTED, "z", server) == ["a/all", "b/url"]
    password = server.value("a", "all", "one")
    assert len(password) >= 32 and password != server.value("a", "all", "two")
    assert server.value("b", "url", "url") == f"postgresql://u:{password}@h/db"
    assert len(base64.urlsafe_b64decode(server.value("b", "url", "key"))) == 32


def test_a_second_run_changes_nothing_and_a_new_secret_gets_the_old_value() -> None:
    server = Server()
    credentials.make(WANTED, "z", server)
    before = str(server.secrets)
    assert credentials.make(WANTED, "z", server) == []
    assert str(server.secrets) == before
    more = [*WANTED, {"namespace": "c", "name": "late", "data": {"password": "{y}", "other": "{new}"}}]
    assert credentials.make(more, "z", server) == ["c/late"]
    assert server.value("c", "late", "password") == server.value("a", "all", "two")


def test_a_secret_of_the_users_own_stays() -> None:
    server = Server()
    mine = {"data": {"one": "bWluZQ=="}}
    server.secrets["a", "all"] = mine
    assert credentials.make(WANTED, "z", server) == ["a/all", "b/url"]
    assert server.value("a", "all", "one") == "mine"


def test_a_secret_gets_the_keys_that_a_later_release_adds() -> None:
    server = Server()
    credentials.make(WANTED, "z", server)
    before = server.value("a", "all", "one")
    later = [{"namespace": "a", "name": "all", "data": {"one": "{x}", "two": "{y}", "three": "{z}"}}]
    assert credentials.make(later, "z", server) == ["a/all"]
    assert server.value("a", "all", "one") == before and len(server.value("a", "all", "three")) >= 32


@pytest.mark.parametrize("calls", [0, 1, 2])
def test_killed_at_any_point_it_ends_the_same(calls: int) -> None:
    server = Server()
    server.killed_after = calls
    with pytest.raises(KeyboardInterrupt):
        credentials.make(WANTED, "z", server)
    server.killed_after = None
    credentials.make(WANTED, "z", server)
    assert server.value("b", "url", "url").split(":")[2].split("@")[0] == server.value("a", "all", "one")


def test_a_file_of_keys_has_the_hash_of_a_value_that_another_secret_has() -> None:
    server = Server()
    declared = [
        {"namespace": "a", "name": "keys", "data": {"keys": "demo:{sha256:api-demo}:predict\n"}},
        {"namespace": "a", "name": "demo", "data": {"key": "{api-demo}"}},
    ]
    credentials.make(declared, "z", server)
    key = server.value("a", "demo", "key")
    assert server.value("a", "keys", "keys") == f"demo:{hashlib.sha256(key.encode()).hexdigest()}:predict\n"
