"""What the DAGs share: the events of their assets, and when a DAG runs for the first time."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from .conftest import dags


@pytest.mark.parametrize(
    ("dag_id", "task_id", "results"),
    [
        ("readmission_process", "clean", {"process": [7], "score": 11766}),
        ("readmission_train", "candidates", {"train": [{"lightgbm": "a1"}, {"xgboost": "a2"}]}),
        ("readmission_promote", "reload", {"judge": {"run_id": "a1", "data_sha256": "d"}, "promote": "3"}),
    ],
)
def test_an_assets_event_says_what_woke_its_consumers(dag_id: str, task_id: str, results: dict[str, Any]) -> None:
    with dags(runtime="local") as by_id:
        task = by_id[dag_id].get_task(task_id)
    [asset] = task.outlets
    events = {asset: SimpleNamespace(extra={})}
    pulled = SimpleNamespace(xcom_pull=lambda task_ids, key: results.get(task_ids) if key == "result" else None)
    task._pre_execute_hook({"ti": pulled, "outlet_events": events})
    assert events[asset].extra == results


@pytest.mark.parametrize("now", ["2026-11-28T00:10", "2026-11-28T03:46", "2026-11-28T05:16", "2026-11-28T23:50"])
def test_an_installation_begins_with_data_and_not_with_housekeeping(now: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.serialization.serialized_objects import DagSerialization
    from airflow.timetables import interval, trigger

    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    for module in (interval, trigger):
        monkeypatch.setattr(module, "utcnow", lambda: moment)

    def first_run(dag: Any) -> datetime:
        serialized = DagSerialization.from_dict(DagSerialization.to_dict(dag))
        info = serialized.next_dagrun_info(last_automated_run_info=None)
        assert info is not None
        return info.run_after

    with dags(runtime="local") as by_id:
        ingest, purge, monitor = (first_run(by_id[f"readmission_{name}"]) for name in ("ingest", "purge", "monitor"))
    assert ingest <= moment < min(purge, monitor) < moment + timedelta(days=1)
