"""A replica that serves another version is told to reload; a name without addresses has no replica."""

import http.server
import json
import threading
from collections.abc import Iterator

import pytest

from readmission.errors import UserError
from readmission.settings import Settings
from readmission.steps import reload


class Replica(http.server.BaseHTTPRequestHandler):
    """Replica that serves version 1 until it is told to reload with the right token."""

    version = "1"

    def do_GET(self) -> None:
        body = json.dumps({"model_version": type(self).version}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        if self.headers["authorization"] == "Bearer secret-token":
            type(self).version = "2"
        self.send_response(202)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    Replica.version = "1"
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Replica) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(("token", "after"), [("secret-token", "2"), ("wrong-token", "1"), (None, "1")])
def test_a_replica_that_is_behind_reloads_for_the_right_token(url: str, token: str | None, after: str) -> None:
    settings = Settings(reload_token=token)
    assert reload.served_version(settings, url, "api", "2") == "1"
    assert reload.served_version(settings, url, "api", "2") == after


def test_a_replica_that_is_away_answers_with_nothing() -> None:
    assert reload.served_version(Settings(), "http://127.0.0.1:9", "api", "2").startswith("nothing (")


def test_addresses_of_a_name() -> None:
    assert "127.0.0.1:80" in reload.addresses("localhost", 80)
    assert reload.addresses("no-such-name.invalid", 80) == []


def test_a_wait_that_is_over_names_what_every_replica_answers(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reload, "find_champion", lambda settings: "2")
    with pytest.raises(UserError, match=r"After 1 s not every .* version 2: 127\.0\.0\.1:\d+: 1\."):
        reload.run(Settings(api_url=url), seconds=1)
    reload.run(Settings(api_url=url, reload_token="secret-token"), seconds=30)
