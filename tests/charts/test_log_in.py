"""The log-in that the chart `door` puts in front of a page: by its rendered arguments, with the real oauth2-proxy.

The identity provider is the one of `make e2e`. oauth2-proxy is a Go program (tests/e2e/README.md says how to build it).
"""

import base64
import secrets
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import chartlib
import httpx
import pytest

from tests.conftest import free_port

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

import identity
import visitor

PROGRAM = shutil.which("oauth2-proxy", path=f"{Path.home()}/go/bin:/var/lib/readmission-cluster/bin") or ""
MLFLOW, DEMO = "mlflow.readmission.example.org", "demo.readmission.example.org"


class Page(BaseHTTPRequestHandler):
    """Page without a log-in, which says what it is told of the visitor."""

    def do_GET(self) -> None:
        lines = [self.headers.get(name, "-") for name in ("x-forwarded-email", "x-forwarded-groups", "authorization")]
        body = " ".join([self.headers["host"], *lines]).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@contextmanager
def served(server: ThreadingHTTPServer) -> Iterator[str]:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def door(page: str, issuer: str, upstream: str) -> Iterator[str]:
    """Run oauth2-proxy with the arguments that `prod` renders for a page; only addresses are those of this machine."""
    [release] = [
        r for r in chartlib.releases("prod", logIn={"issuer": issuer}, ingress={"tls": False}) if r.name == "door"
    ]
    objects = chartlib.render(release, chartlib.CHARTS / "door")
    [item] = [o for o in objects if o["kind"] == "Deployment" and o["metadata"]["name"] == f"door-to-{page}"]
    port = free_port()
    here = {"--http-address": f"127.0.0.1:{port}", "--upstream": f"{upstream}/"}
    arguments = [
        f"{name}={here.get(name, value)}"
        for name, _, value in (a.partition("=") for a in item["spec"]["template"]["spec"]["containers"][0]["args"])
    ]
    cookie = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    environment = {"OAUTH2_PROXY_CLIENT_SECRET": identity.SECRET, "OAUTH2_PROXY_COOKIE_SECRET": cookie}
    process = subprocess.Popen([PROGRAM, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    address, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 30
    try:
        while True:
            try:
                assert httpx.get(f"{address}/ready").status_code == 200
                break
            except httpx.TransportError:
                assert process.poll() is None and time.monotonic() < deadline, process.communicate()[0]
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.communicate()


@pytest.fixture(scope="module")
def addresses() -> Iterator[dict[str, str]]:
    """Give the hosts of two pages behind their doors, and of the identity provider."""
    if not PROGRAM:
        pytest.skip("oauth2-proxy is not on this machine")
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    with ExitStack() as stack:
        stack.enter_context(served(identity.server(issuer, port)))
        page = stack.enter_context(served(ThreadingHTTPServer(("127.0.0.1", 0), Page)))
        doors = {host: stack.enter_context(door(host.split(".")[0], issuer, page)) for host in (MLFLOW, DEMO)}
        yield {"127.0.0.1": issuer, **doors}


@pytest.mark.parametrize(("host", "may"), [(MLFLOW, {"olga"}), (DEMO, {"vera", "olga", "anna"})])
def test_who_is_in_the_groups_of_a_page_comes_in_and_nobody_else(
    addresses: dict[str, str], host: str, may: set[str]
) -> None:
    url = f"http://{host}/path?a=1"
    with visitor.browser(addresses) as client:
        nobody = client.get(url, follow_redirects=False)
        assert nobody.status_code == 302 and nobody.headers["location"].startswith(addresses["127.0.0.1"])
        assert client.post(url, headers={"accept": "application/json"}).status_code == 401
    for person, groups in identity.PEOPLE.items():
        with visitor.browser(addresses) as client:
            answer = visitor.log_in(client, url, person)
            assert answer.status_code == (200 if person in may else 403), person
            if person in may:
                assert str(answer.url) == url
                # The page is told who it is, under its own host name and without a password; a lie is overwritten.
                assert answer.text == f"{host} {person}@hospital.example.org {groups[0]} -"
                again = client.get(url, headers={"x-forwarded-email": "somebody@else.example.org"})
                assert again.text == answer.text
            other = client.get(url, follow_redirects=False)
            assert other.status_code == (200 if person in may else 302)


def test_a_program_comes_in_with_a_token_of_the_same_provider(addresses: dict[str, str]) -> None:
    issuer = addresses["127.0.0.1"]
    foreign = identity.Provider(issuer)
    statuses = {}
    for person in identity.PEOPLE:
        with visitor.browser(addresses) as client:
            headers = {"authorization": f"Bearer {visitor.token(client, issuer, person)}", "accept": "application/json"}
            statuses[person] = client.get(f"http://{MLFLOW}/", headers=headers).status_code
    assert statuses == {"vera": 403, "olga": 200, "anna": 403, "nora": 403}
    # The same words, signed by another key.
    location = foreign.code(
        {"client_id": identity.CLIENT, "response_type": "code", "redirect_uri": "x", "code_challenge": EMPTY}, "olga"
    )
    form = {"code": location.split("code=")[1].split("&")[0], "redirect_uri": "x"}
    forged = foreign.exchange(form, identity.CLIENT, identity.SECRET)["id_token"]
    with visitor.browser(addresses) as client:
        headers = {"authorization": f"Bearer {forged}", "accept": "application/json"}
        assert client.get(f"http://{MLFLOW}/", headers=headers).status_code == 401


#: Challenge of an empty verifier.
EMPTY = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"


def test_a_session_of_one_page_does_not_open_another(addresses: dict[str, str]) -> None:
    with visitor.browser(addresses) as client:
        visitor.log_in(client, f"http://{DEMO}/", "olga")
        cookie = {"cookie": f"readmission_mlflow={client.cookies['readmission_demo']}"}
        assert client.get(f"http://{MLFLOW}/", headers=cookie, follow_redirects=False).status_code == 302
        client.get(f"http://{DEMO}/oauth2/sign_out")
        assert client.get(f"http://{DEMO}/", follow_redirects=False).status_code == 302
