"""What grows on a cluster stays below its volume."""

import chartlib
import pytest


@pytest.mark.parametrize(("environment", "limit"), [("dev", "1GB"), ("prod", "40GB")])
def test_prometheus_stays_below_its_volume(environment: str, limit: str) -> None:
    values = next(r.values for r in chartlib.releases(environment) if r.name.endswith("monitoring"))
    spec = values["prometheus"]["prometheusSpec"]
    assert spec["retentionSize"] == limit
    size = spec["storageSpec"]["volumeClaimTemplate"]["spec"]["resources"]["requests"]["storage"]
    assert int(limit.removesuffix("GB")) < int(size.removesuffix("Gi"))


def test_airflow_forgets_logs_and_runs_after_the_same_days() -> None:
    values = next(r.values for r in chartlib.releases("prod") if r.name == "airflow")
    days = str(values["databaseCleanup"]["retentionDays"])
    assert values["databaseCleanup"]["enabled"] and int(days) > 0
    for part in ("scheduler", "dagProcessor"):
        [bash, flag, script] = values[part]["logGroomerSidecar"]["args"]
        assert (bash, flag) == ("bash", "-c") and f"-mtime +{days} -delete" in script


def test_the_migration_of_airflow_makes_the_pool_that_trainings_wait_for() -> None:
    values = next(r.values for r in chartlib.releases("prod") if r.name == "airflow")
    [bash, flag, script] = values["migrateDatabaseJob"]["args"]
    slots = values["config"]["readmission"]["train_parallel"]
    assert (bash, flag) == ("bash", "-c") and script.startswith("airflow db migrate && ")
    assert f'airflow pools set readmission_training {slots} "' in script
