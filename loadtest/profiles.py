"""Read load profiles: who comes, for how long, what they do, and what must hold."""

from pathlib import Path
from typing import Literal

import msgspec

from readmission.errors import UserError

FOLDER = Path(__file__).parent / "profiles"


class Stage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hold `users` for `seconds` (the spawning included), reached at `spawn_rate` users a second."""

    users: int
    spawn_rate: float
    seconds: float


class Mix(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Weigh what a user does: one encounter, a batch, a bad request, a look at the model."""

    predict: int = 0
    batch: int = 0
    invalid: int = 0
    info: int = 0


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """State what must hold over the whole run; None: not judged.

    Attributes:
        p95_ms, p99_ms: percentiles of all answers.
        error_ratio: failed requests by all requests.
        requests_per_second: at least.
        users: at least so many carried without a breach (by the end, or before `stop_at_break`).
        memory_growth_mb: of the API's processes, from one minute on; judged only where they can be seen.
    """

    p95_ms: float | None = None
    p99_ms: float | None = None
    error_ratio: float | None = None
    requests_per_second: float | None = None
    users: int | None = None
    memory_growth_mb: float | None = None


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Describe one load test, as it stands in ``profiles/<name>.toml``.

    Attributes:
        wait_seconds: least and most a user thinks between two requests.
        processes: load generating processes; one a core is the most that helps.
        stop_at_break: end at the first breach instead of going on.
        generator: ``locust``, or ``own`` (`loadtest.crowd`) for more users than Locust can be on one machine.
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
        """Return how long the profile takes."""
        return sum(stage.seconds for stage in self.stages)

    def at(self, second: float) -> Stage | None:
        """Return the stage of this second of the run, None after the end."""
        for stage in self.stages:
            if second < stage.seconds:
                return stage
            second -= stage.seconds
        return None


def names() -> list[str]:
    """List the profiles there are."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load(name: str) -> Profile:
    """Read one profile.

    Args:
        name: a name of `names`, or the path of a TOML file of one's own.

    Raises:
        UserError: there is none of that name, or its file is not a profile.
    """
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if not path.is_file():
        raise UserError(f"There is no load profile {name!r}. There are: {', '.join(names())}; or give a .toml file.")
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Profile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path.name} is not a load profile: {error}.") from error
