"""Health checks of the parts."""

import shutil
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from readmission.embedded.component import answers, bound
from tests.conftest import free_port


class Handler(BaseHTTPRequestHandler):
    """A server that answers 200 at /ok and 503 elsewhere."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/ok" else 503)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def test_a_part_is_healthy_only_when_it_answers_200() -> None:
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        assert answers(f"{url}/ok")() is True
        assert answers(f"{url}/other")() is False
        server.shutdown()
    assert answers(f"http://127.0.0.1:{free_port()}/ok")() is False


def test_without_setpriv_nothing_stands_before_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert bound() == []
