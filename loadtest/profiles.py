"""Load profiles: how many users, for how long, what they do, and which limits must hold."""

from pathlib import Path
from typing import Literal

import msgspec

from readmission.errors import UserError

FOLDER = Path(__file__).parent / "profiles"


class Stage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Phase of `seconds` with `users`, who arrive at `spawn_rate` users per second within it."""

    users: int
    spawn_rate: float
    seconds: float


class Mix(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Weights of what a user does: one encounter, a batch, an invalid request, a request of the model's description."""

    predict: int = 0
    batch: int = 0
    invalid: int = 0
    info: int = 0


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Limits that must hold over the whole run. A limit of None is not judged.

    Attributes:
        p95_ms, p99_ms: Highest percentiles of all answers, in milliseconds.
        error_ratio: Highest share of failed requests.
        requests_per_second: Lowest rate.
        users: Lowest number of users carried without a breach, by the end or before `stop_at_break`.
        memory_growth_mb: Highest growth of the API's processes after the first minute. Judged only if they are visible.
    """

    p95_ms: float | None = None
    p99_ms: float | None = None
    error_ratio: float | None = None
    requests_per_second: float | None = None
    users: int | None = None
    memory_growth_mb: float | None = None


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One load test, as described in ``profiles/<name>.toml``.

    Attributes:
        wait_seconds: Shortest and longest pause of a user between two requests.
        processes: Processes that generate load. More than one per core does not help.
        stop_at_break: Whether to end at the first breach.
        generator: ``locust``, or ``own`` (`loadtest.crowd`) for more users than Locust can simulate on one machine.
    """

    description: str
    stages: list[Stage]
    mix: Mix
    limits: Limits
    wait_seconds: tuple[float, float] = (1.0, 2.0)
    processes: int = 1
    stop_at_break: bool = False
    generator: Literal["locust", "own"] = "locust"

    @property
    def seconds(self) -> float:
        """Return the duration of the profile."""
        return sum(stage.seconds for stage in self.stages)

    def at(self, second: float) -> Stage | None:
        """Return the stage of this second of the run, or None after the end."""
        for stage in self.stages:
            if second < stage.seconds:
                return stage
            second -= stage.seconds
        return None


def names() -> list[str]:
    """Return the names of the profiles that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def read_profile(name: str) -> Profile:
    """Read a profile.

    Args:
        name: One of `names`, or the path of a TOML file.

    Raises:
        UserError: There is no such profile, or its file is not valid.
    """
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if not path.is_file():
        raise UserError(
            f"There is no load profile {name!r}. Choose one of: {', '.join(names())}; or name a .toml file."
        )
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Profile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path.name} is not a load profile: {error}.") from error
