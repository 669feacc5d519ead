"""The file of secrets."""

from pathlib import Path

from readmission.embedded import secrets


def values(path: Path) -> dict[str, str]:
    pairs = (line.partition("=") for line in path.read_text().splitlines())
    return {name: value for name, _, value in pairs}


def test_secrets_are_random_and_only_their_owner_may_read_them(tmp_path: Path) -> None:
    first, other = secrets.ensure(tmp_path / "a"), secrets.ensure(tmp_path / "b")
    assert first.stat().st_mode & 0o777 == 0o600
    assert not set(values(first).values()) & set(values(other).values())
    assert "READMISSION_POSTGRES_PASSWORD_SERVING" in values(first)


def test_a_second_start_changes_nothing(tmp_path: Path) -> None:
    content = secrets.ensure(tmp_path).read_text()
    assert secrets.ensure(tmp_path).read_text() == content


def test_a_new_secret_is_appended_and_the_others_stay(tmp_path: Path) -> None:
    path = secrets.ensure(tmp_path)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    assert values(secrets.ensure(tmp_path)).keys() == {line.partition("=")[0] for line in lines}
    assert path.read_text().startswith("".join(lines[:-1]))
    assert path.stat().st_mode & 0o777 == 0o600
