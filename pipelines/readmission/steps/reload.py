"""Announce a new champion to the API and wait until every replica answers with it."""

import logging
import socket
from typing import Annotated
from urllib.parse import urlsplit

import httpx
import typer

from readmission.errors import UserError
from readmission.polling import wait_until
from readmission.registry.aliases import find_champion
from readmission.settings import Settings

log = logging.getLogger(__name__)


def run(
    settings: Settings,
    *,
    seconds: Annotated[float, typer.Option(min=1, help="How long to wait for the replicas.")] = 300,
) -> None:
    """Tell the API about the champion and wait until every replica answers with that version.

    Replicas are the addresses of READMISSION_API_REPLICAS_URL (in Kubernetes: a headless Service), else of the API's
    own URL. Without READMISSION_RELOAD_TOKEN no replica is told to reload; each finds the new version a little later.

    Raises:
        UserError: There is no champion, or a replica did not answer with it in time; the message has each answer.
    """
    champion = find_champion(settings)
    if champion is None:
        raise UserError(f"MLflow at {settings.mlflow.tracking_uri} names no champion of {settings.mlflow.model_name}.")
    url = urlsplit(settings.api.replicas_url or settings.api.base_url)
    versions: dict[str, str] = {}

    def all_answer() -> bool:
        # The addresses are resolved each time, because a replica may come or go while we wait.
        before = dict(versions)
        versions.clear()
        for replica in addresses(url.hostname or "", url.port or (443 if url.scheme == "https" else 80)):
            versions[replica] = served_version(settings, f"{url.scheme}://{replica}", url.netloc, champion)
        if versions != before:
            for replica, version in versions.items():
                log.info("%s answers with version %s, wanted is %s", replica, version, champion)
        return set(versions.values()) == {champion}

    def failure() -> str:
        answers = ", ".join(f"{replica}: {version}" for replica, version in versions.items()) or "no address was found"
        return f"After {seconds:.0f} s not every replica of the API answers with version {champion}: {answers}."

    wait_until(all_answer, seconds=seconds, every=0.5, failure=failure)


def addresses(host: str, port: int) -> list[str]:
    """Return `address:port` of every replica behind a name; empty if the name does not resolve yet."""
    try:
        entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror:
        return []
    return sorted({f"[{a[4][0]}]:{port}" if a[0] == socket.AF_INET6 else f"{a[4][0]}:{port}" for a in entries})


def served_version(settings: Settings, url: str, host: str, champion: str) -> str:
    """Return the version that one replica answers with; if it is not the champion, make the replica reload.

    Several workers may share one address, so the question is repeated over as many connections as make it unlikely
    to miss a worker.
    """
    headers = {"Host": host}
    if settings.api.reload_token:
        headers["Authorization"] = f"Bearer {settings.api.reload_token.get_secret_value()}"
    version = "nothing"
    try:
        for _ in range(1 if settings.api.workers == 1 else 5 * settings.api.workers):
            # A new connection each time: a kept one stays with one worker.
            answer = httpx.get(f"{url}/model-info", headers=headers, timeout=5)
            version = str(answer.json()["model_version"]) if answer.status_code == 200 else f"HTTP {answer.status_code}"
            if version != champion:
                if settings.api.reload_token:
                    httpx.post(f"{url}/reload-model", headers=headers, timeout=5)
                break
    except (httpx.HTTPError, ValueError, KeyError) as error:
        return f"nothing ({type(error).__name__})"
    return version
