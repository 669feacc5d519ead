"""One part of the embedded system: what it runs, where it answers, how its health is checked."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

Healthy = Callable[[], bool]


@dataclass(frozen=True, kw_only=True)
class Part:
    """One supervised process.

    Attributes:
        name: Name, as in `readmission status`.
        command: Command line.
        url: Where a person or a program reaches it.
        host, port: Address it listens on; port 0 if it listens nowhere.
        port_setting: Environment variable that sets the port.
        healthy: Check of whether it answers.
        environment: Variables in addition to the inherited ones. They are written to a file, so no secrets.
        stop_signal: Signal that ends it cleanly.
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
    """Return the command prefix that ends a part with its supervisor, even a killed one: no orphan holds a port."""
    return ["setpriv", "--pdeathsig", "TERM", "--"] if shutil.which("setpriv") else []
