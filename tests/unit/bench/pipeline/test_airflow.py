"""The parts of a DAG run, from what Airflow's API tells of it."""

import httpx
import pytest

from bench.pipeline import airflow

ANSWERS = {
    "/dags/readmission_process/dagRuns/r": {
        "state": "success",
        "queued_at": "2026-01-01T00:00:00+00:00",
        "end_date": "2026-01-01T00:00:09.500000+00:00",
    },
    "/dags/readmission_process/dagRuns/r/taskInstances/process": {"start_date": "2026-01-01T00:00:02+00:00"},
    "/dags/readmission_process/dagRuns/r/taskInstances/process/logs/1": {
        "content": [
            {"event": "::group::"},
            {"event": "Running command: readmission process", "timestamp": "2026-01-01T00:00:03+00:00"},
            {"event": "Command exited with return code 99", "timestamp": "2026-01-01T00:00:08+00:00"},
        ]
    },
}


def answer(request: httpx.Request) -> httpx.Response:
    if request.method == "POST":
        return httpx.Response(200, json={"dag_run_id": "r"})
    return httpx.Response(200, json=ANSWERS[request.url.path])


def test_a_run_is_split_at_the_start_of_task_and_command() -> None:
    with httpx.Client(base_url="http://airflow", transport=httpx.MockTransport(answer)) as api:
        parts = airflow.time_dag_run(api)
    assert parts == pytest.approx(
        {"trigger to task": 2.0, "task to command": 1.0, "command": 5.0, "command to end": 1.5}
    )
