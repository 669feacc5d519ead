"""One part of the embedded system: what it runs, where it answers, how its health is seen."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

Healthy = Callable[[], bool]


@dataclass(frozen=True)
class Part:
    """Describe one supervised process.

    Attributes:
        name: as in `readmission status`.
        command: its command line.
        url: where a person or a program finds it.
        host, port: what it listens on.
        port_setting: the variable that moves it.
        healthy: whether it answers.
        environment: variables beside the inherited ones; no secret, they stand in a file.
        stop_signal: what ends it cleanly.
    """

    name: str
    command: list[str]
    url: str
    host: str
    port: int
    port_setting: str
    healthy: Healthy
    environment: dict[str, str] = field(default_factory=dict)
    stop_signal: str = "TERM"


def answers(url: str) -> Healthy:
    """Return a check that a GET answers 200 within two seconds."""

    def check() -> bool:
        try:
            return httpx.get(url, timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    return check


def bound() -> list[str]:
    """Return what ends a part with its supervisor, even with a killed one: no orphan holds a port."""
    return ["setpriv", "--pdeathsig", "TERM", "--"] if shutil.which("setpriv") else []
