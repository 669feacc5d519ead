"""A person with a browser, to log in through the doors: on the cluster and, in tests/charts, on this machine."""

import base64
import hashlib
import secrets
from urllib.parse import parse_qs, urlparse

import httpx
from identity import CLIENT, SECRET


class Hosts(httpx.BaseTransport):
    """Way to hosts that no DNS knows: each at the address where it answers here."""

    def __init__(self, addresses: dict[str, str]) -> None:
        self.addresses = addresses
        self.inner = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to where its host answers, under the host's own name."""
        address = httpx.URL(self.addresses[request.url.host])
        url = request.url.copy_with(scheme=address.scheme, host=address.host, port=address.port)
        return self.inner.handle_request(
            httpx.Request(request.method, url, headers=request.headers, stream=request.stream)
        )


def browser(addresses: dict[str, str]) -> httpx.Client:
    """Return a browser without a session: host -> address."""
    return httpx.Client(transport=Hosts(addresses), follow_redirects=True, timeout=60)


def log_in(client: httpx.Client, url: str, person: str) -> httpx.Response:
    """Open a page, log in where it sends to, and return what it answers then."""
    form = client.get(url)
    if "name=person" not in form.text:
        raise AssertionError(f"{url} did not ask who it is: {form.status_code} from {form.url}: {form.text[:200]}")
    return client.post(form.url, data={"person": person})


def token(client: httpx.Client, issuer: str, person: str) -> str:
    """Return an ID token of a person, as a program gets it."""
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    address = "http://localhost/callback"
    query = {"client_id": CLIENT, "response_type": "code", "redirect_uri": address, "code_challenge": challenge}
    sent = client.post(f"{issuer}/authorize", params=query, data={"person": person}, follow_redirects=False)
    code = parse_qs(urlparse(sent.headers["location"]).query)["code"][0]
    form = {"code": code, "code_verifier": verifier, "redirect_uri": address}
    answer = client.post(f"{issuer}/token", data=form, auth=(CLIENT, SECRET))
    return str(answer.raise_for_status().json()["id_token"])
