"""The profiles: each can be read, ends, and decides something."""

from pathlib import Path

import msgspec
import pytest

from loadtest import profiles
from readmission.errors import UserError


@pytest.mark.parametrize("name", profiles.names())
def test_every_profile_can_be_read_and_ends(name: str) -> None:
    profile = profiles.read_profile(name)
    assert profile.at(0) == profile.stages[0]
    assert profile.at(profile.seconds - 0.01) == profile.stages[-1]
    assert profile.at(profile.seconds) is None
    assert any(getattr(profile.mix, kind) for kind in profile.mix.__struct_fields__)
    assert any(limit is not None for limit in msgspec.structs.astuple(profile.limits)), "it decides nothing"


def test_the_promised_profiles_are_there() -> None:
    assert set(profiles.names()) >= {"smoke", "course", "stairs", "spike", "soak", "ten-thousand"}


def test_wrong_profile_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no load profile 'nope'"):
        profiles.read_profile("nope")
    wrong = tmp_path / "mine.toml"
    wrong.write_text('description = "x"\nusers = 3\n')
    with pytest.raises(UserError, match=r"mine\.toml is not a load profile"):
        profiles.read_profile(str(wrong))
