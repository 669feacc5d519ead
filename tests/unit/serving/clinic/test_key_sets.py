"""Fetching of key sets: only from the list, and what fails leaves what there is."""

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.clinic.clients import fetched_keys, poke
from serving.clinic.key_sets import KeySets


class _Handler(http.server.BaseHTTPRequestHandler):
    content: bytes = b'{"keys": []}'

    def do_GET(self) -> None:
        self.send_response(302 if self.path == "/moved" else 200)
        self.send_header("location", "/jwks")
        self.end_headers()
        self.wfile.write(self.content)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def server() -> Iterator[str]:
    running = http.server.HTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    thread.join()
    running.server_close()


@pytest.mark.parametrize(
    ("path", "content", "is_kept"),
    [
        ("/jwks", b'{"keys": []}', True),
        ("/moved", b'{"keys": []}', False),
        ("/jwks", b"no json", False),
        ("/jwks", b" " * 2_000_000, False),
    ],
)
def test_a_key_set_is_kept_only_if_it_is_one(
    server: str, path: str, content: bytes, is_kept: bool, tmp_path: Path
) -> None:
    _Handler.content = content
    url = server + path
    clients = [{"name": "a", "issuer": "x", "jwks_url": url}]
    (tmp_path / "clients.json").write_text(json.dumps({"clients": clients}))
    poke(tmp_path).parent.mkdir()
    poke(tmp_path).touch()
    key_sets = KeySets(tmp_path / "clients.json", tmp_path)
    key_sets.poll()
    assert fetched_keys(tmp_path, url).exists() == is_kept
    assert not poke(tmp_path).exists()
    poke(tmp_path).touch()
    key_sets.poll()  # within the patience: a caller cannot make it ask again and again
    assert poke(tmp_path).exists()


def test_without_a_list_nothing_is_fetched(tmp_path: Path) -> None:
    KeySets(None, tmp_path).poll()
    assert not list(tmp_path.iterdir())
