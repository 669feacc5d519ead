"""The settings of a benchmark's own servers."""

from pathlib import Path

from bench.pipeline import servers


def test_a_private_system_has_a_home_ports_and_secrets_of_its_own(tmp_path: Path) -> None:
    folders = tmp_path / "a", tmp_path / "b"
    for folder in folders:
        folder.mkdir()
    first, second = (servers.private_settings(folder) for folder in folders)
    assert first.postgres.port != first.mlflow.port
    assert first.password("admin") != second.password("admin")
    environment = servers.environment(first)
    assert environment["READMISSION_HOME"] == str(folders[0])
    assert environment["READMISSION_POSTGRES_PORT"] == str(first.postgres.port)
