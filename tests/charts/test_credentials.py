"""The Job that makes the Secrets; the API server it talks to is held in memory (the real one: `make e2e`)."""

import base64
import hashlib
import importlib.util
import json
import re
from typing import Any

import chartlib
import pytest
import yaml

from tests.charts.conftest import Platform, Pod

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
            data = self.secrets[key[0], key[2]]["data"] | body["data"]
            self.secrets[key[0], key[2]] = {"data": {k: v for k, v in data.items() if v is not None}}
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


def test_a_new_label_makes_a_value_anew_wherever_it_is_ours() -> None:
    server = Server()
    declared = [*WANTED, {"namespace": "c", "name": "theirs", "data": {"password": "{x}", "more": "{y}"}}]
    server.secrets["c", "theirs"] = {"data": {"password": "bWluZQ=="}}
    credentials.make(declared, "z", server)
    old = {name: server.value("a", "all", name) for name in ("one", "two")}
    assert credentials.rotate(declared, "z", {}, server) == []
    assert credentials.rotate(declared, "z", {"x": "2026-12"}, server) == ["x"]
    password = server.value("a", "all", "one")
    assert password != old["one"] and server.value("a", "all", "two") == old["two"]
    assert server.value("b", "url", "url") == f"postgresql://u:{password}@h/db"
    assert server.value("c", "theirs", "password") == "mine" and server.value("c", "theirs", "more") == old["two"]
    # The same label again changes nothing, and a Secret made later has the new value.
    before = str(server.secrets)
    assert credentials.rotate(declared, "z", {"x": "2026-12"}, server) == [] and str(server.secrets) == before
    late = {"namespace": "d", "name": "late", "data": {"password": "{x}"}}
    credentials.make([*declared, late], "z", server)
    assert server.value("d", "late", "password") == password
    assert credentials.rotate(declared, "z", {"x": "2027-01"}, server) == ["x"]
    assert server.value("a", "all", "one") not in (password, old["one"])


@pytest.mark.parametrize("calls", [0, 1, 2, 3])
def test_a_rotation_that_is_killed_ends_the_same(calls: int) -> None:
    server = Server()
    declared = [*WANTED, {"namespace": "c", "name": "third", "data": {"password": "{x}"}}]
    credentials.make(declared, "z", server)
    old = server.value("a", "all", "one")
    server.killed_after = calls
    with pytest.raises(KeyboardInterrupt):
        credentials.rotate(declared, "z", {"x": "n"}, server)
    server.killed_after = None
    assert credentials.rotate(declared, "z", {"x": "n"}, server) == ["x"]
    password = server.value("a", "all", "one")
    assert password != old and server.value("c", "third", "password") == password
    assert server.value("b", "url", "url") == f"postgresql://u:{password}@h/db"
    assert not [key for key in server.secrets["z", "credentials"]["data"] if key.startswith("next-")]


def test_all_leaves_out_what_the_other_side_would_not_follow() -> None:
    server = Server()
    credentials.make(WANTED, "z", server)
    credentials.KEPT["k-fernet"] = "a test"
    try:
        assert credentials.rotate(WANTED, "z", {"all": "n"}, server) == ["x", "y"]
        for name in ("k-fernet", "nothing"):
            with pytest.raises(SystemExit, match=f"{name} cannot be made anew"):
                credentials.rotate(WANTED, "z", {name: "n"}, server)
    finally:
        del credentials.KEPT["k-fernet"]


def test_pods_follow_a_rotation_and_every_kept_value_is_declared() -> None:
    calm, rotated = (
        {r.name: r for r in chartlib.releases("prod", rotate=rotate)} for rotate in ({}, {"all": "2026-12"})
    )
    objects = chartlib.render(rotated["readmission"], chartlib.CHARTS / "readmission")
    templates = [o["spec"]["template"] for o in objects if o["kind"] == "Deployment"]
    assert len(templates) >= 4
    assert all("readmission/rotated" in t["metadata"].get("annotations", {}) for t in templates)
    assert "readmission/rotated" in rotated["airflow"].values["airflowPodAnnotations"]
    assert "airflowPodAnnotations" not in calm["airflow"].values
    foundation = chartlib.render(rotated["foundation"], chartlib.CHARTS / "foundation")
    (config,) = (o["data"] for o in foundation if "rotate.json" in o.get("data", {}))
    assert json.loads(config["rotate.json"]) == {"all": "2026-12"}
    names = {name for _, name in credentials.PLACEHOLDER.findall(config["secrets.json"])}
    assert credentials.KEPT.keys() <= names


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_every_pod_that_has_a_rotated_value_is_replaced(environment: str) -> None:
    everything = {name: {"install": True} for name in ("notebook", "pgadmin", "dask", "feed")}
    releases = {r.name: r for r in chartlib.releases(environment, rotate={"all": "2026-12"}, **everything)}
    foundation = chartlib.render(releases["foundation"], chartlib.CHARTS / "foundation")
    (declared,) = (json.loads(o["data"]["secrets.json"]) for o in foundation if "secrets.json" in o.get("data", {}))
    rotated = {
        secret["name"]
        for secret in declared
        for text in secret["data"].values()
        if {name for _, name in credentials.PLACEHOLDER.findall(text)} - credentials.KEPT.keys()
    }
    followers = set()
    for release in (r for r in releases.values() if r.ours):
        for item in chartlib.render(release, chartlib.ROOT / release.chart):
            if item["kind"] not in ("Deployment", "StatefulSet"):
                continue
            names = set(re.findall(r"'(?:name|secretName)': '([a-z0-9-]+)'", str(item["spec"]["template"]["spec"])))
            if names & rotated:
                annotations = item["spec"]["template"]["metadata"].get("annotations", {})
                assert "readmission/rotated" in annotations, (item["metadata"]["name"], names & rotated)
                followers.add(item["metadata"]["name"])
    assert {"readmission-inference", "readmission-notebook", "readmission-pgadmin", "dask-worker"} <= followers
    assert ("door-to-mlflow" in followers) == (environment == "prod")


def test_every_secret_that_is_named_is_made(platform: Platform, pods: list[Pod]) -> None:
    [config] = [o for o in platform["foundation"] if "secrets.json" in o.get("data", {})]
    made = {(s["namespace"], s["name"]): s["data"].keys() for s in yaml.safe_load(config["data"]["secrets.json"])}
    # The client's secret at the identity provider is the user's own, and copied.
    copied = yaml.safe_load(config["data"]["copies.json"])["to"]
    made |= {(namespace, "log-in"): {"client-secret"} for namespace in copied["log-in"]}
    seen = 0
    for name, namespace, _, spec in pods:
        for variable in (
            e for c in spec["containers"] for e in c.get("env") or [] if "secretKeyRef" in e.get("valueFrom", {})
        ):
            reference = variable["valueFrom"]["secretKeyRef"]
            assert reference["key"] in made.get((namespace, reference["name"]), ()), (name, reference)
            seen += 1
    assert seen >= 15
