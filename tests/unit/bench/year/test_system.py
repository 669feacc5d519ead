"""The system of a simulated year before it starts."""

from pathlib import Path

import pytest

from bench.year.system import System


def test_it_has_a_folder_and_ports_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("READMISSION_HOME", "elsewhere")
    systems = [System(tmp_path / name / "state", seed=9) for name in ("a", "b")]
    homes = [system.settings.home for system in systems]
    assert homes == [tmp_path / "a" / "state", tmp_path / "b" / "state"]
    ports = [getattr(system.settings, part).port for system in systems for part in ("postgres", "mlflow", "api")]
    assert len(set(ports)) == len(ports)
    assert systems[0].settings.seed == 9
    assert systems[0].settings.monitoring.retrain_cooldown_hours == 4 * 7 * 24
    assert systems[0].settings.password("monitor") != systems[1].settings.password("monitor")
