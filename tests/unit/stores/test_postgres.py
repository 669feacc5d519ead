"""A database that cannot be reached."""

from pathlib import Path

import pytest

from readmission.errors import UserError
from readmission.stores import postgres
from tests.conftest import free_port, make_settings


def test_the_error_names_address_and_role_and_no_password(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, postgres_port=free_port())
    message = f"{settings.postgres.port} cannot be used by role readmission_train"
    with pytest.raises(UserError, match=message) as error, postgres.transaction(settings, "train"):
        pass
    assert settings.password("train") not in str(error.value)


def test_one_engine_a_role(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    assert postgres.engine(settings, "train") is postgres.engine(settings, "train")
    assert postgres.engine(settings, "train") is not postgres.engine(settings, "monitor")
