"""A local engine does the work in order; settings that travel carry one role's password."""

from pathlib import Path

from pydantic import SecretStr

from readmission import engine
from readmission.settings import Settings


def double(settings: Settings, item: int) -> int:
    return 2 * item


def test_items_come_back_in_their_order(tmp_path: Path) -> None:
    assert list(engine.each(Settings(home=tmp_path), "train", double, [3, 1, 2])) == [(3, 6), (1, 2), (2, 4)]


def test_only_one_role_s_password_reaches_the_workers(tmp_path: Path) -> None:
    passwords = {f"postgres_password_{role}": SecretStr(role) for role in ("admin", "train", "ingest", "serving")}
    travelling = Settings(home=tmp_path).replace(**passwords).without_secrets("postgres_password_train")
    assert travelling.password("train") == "train"
    assert travelling.postgres.password_admin is None
    assert travelling.postgres.password_ingest is None
