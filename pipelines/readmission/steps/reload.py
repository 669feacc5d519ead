"""Tell the API of a new champion and wait until every replica answers with it."""

import logging
import socket
import time
from typing import Annotated
from urllib.parse import urlsplit

import httpx
import typer

from readmission.errors import UserError
from readmission.registry.aliases import find_champion
from readmission.settings import Settings

log = logging.getLogger(__name__)


def run(
    settings: Settings,
    *,
    seconds: Annotated[float, typer.Option(min=1, help="How long to wait for the replicas.")] = 300,
) -> None:
    """Tell the API of the champion and wait until every replica answers with that version.

    Replicas are the addresses of READMISSION_API_REPLICAS_URL (in Kubernetes: a headless Service), else of the API's
    own URL. Without READMISSION_RELOAD_TOKEN nobody is told; the API finds the new version by itself, a little later.

    Raises:
        UserError: there is no champion, or a replica did not answer with it in time; says what each answered.
    """
    wanted = find_champion(settings)
    if wanted is None:
        raise UserError(f"MLflow at {settings.tracking_uri} names no champion of {settings.model_name}.")
    url = urlsplit(settings.api_replicas_url or settings.api)
    deadline = time.monotonic() + seconds
    said: dict[str, str] = {}
    while time.monotonic() < deadline:
        # Asked anew each time: a replica may come or go while we wait.
        before, said = said, {}
        for replica in addresses(url.hostname or "", url.port or (443 if url.scheme == "https" else 80)):
            said[replica] = answered(settings, f"{url.scheme}://{replica}", url.netloc, wanted)
        if said != before:
            for replica, version in said.items():
                log.info("%s answers with version %s, wanted is %s", replica, version, wanted)
        if said and set(said.values()) == {wanted}:
            return
        time.sleep(0.5)
    told = ", ".join(f"{replica}: {version}" for replica, version in said.items()) or "no address was found"
    raise UserError(f"After {seconds:.0f} s not every replica of the API answers with version {wanted}: {told}.")


def addresses(host: str, port: int) -> list[str]:
    """Return `address:port` of every replica behind a name; none when it is not known (yet)."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror:
        return []
    return sorted({f"[{a[4][0]}]:{port}" if a[0] == socket.AF_INET6 else f"{a[4][0]}:{port}" for a in found})


def answered(settings: Settings, url: str, host: str, wanted: str) -> str:
    """Return the version that one replica answers with, having told it to look when that is another.

    Several workers may share one address: all answers to as many connections as make it unlikely to miss one count.
    """
    headers = {"Host": host}
    if settings.reload_token:
        headers["Authorization"] = f"Bearer {settings.reload_token.get_secret_value()}"
    version = "nothing"
    try:
        for _ in range(1 if settings.api_workers == 1 else 5 * settings.api_workers):
            # A connection of its own for each: a kept one stays with one worker.
            answer = httpx.get(f"{url}/model-info", headers=headers, timeout=5)
            version = str(answer.json()["model_version"]) if answer.status_code == 200 else f"HTTP {answer.status_code}"
            if version != wanted:
                if settings.reload_token:
                    httpx.post(f"{url}/reload-model", headers=headers, timeout=5)
                break
    except (httpx.HTTPError, ValueError, KeyError) as error:
        return f"nothing ({type(error).__name__})"
    return version
