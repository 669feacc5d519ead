"""Chain of the DAGs, run one after the other in this process, as `airflow dags test` runs one: no scheduler, no server.

`readmission dags` starts it with Airflow's configuration in the environment. Arguments: DAG folder, batches or 0.
"""

import sys
import time
from pathlib import Path

from airflow.dag_processing.dagbag import BundleDagBag

PASSED = ("success", "skipped")


def run(bag: BundleDagBag, dag_id: str, failed: list[str]) -> bool:
    """Run one DAG once, print how long each task took, and return whether any task succeeded rather than skipped.

    Failed tasks are added to `failed`. If the DAG itself fails, the program ends.
    """
    began = time.monotonic()
    result = bag.dags[dag_id].test()
    tasks = sorted(result.get_task_instances(), key=lambda t: (t.start_date is None, t.start_date or t.task_id))
    lines = []
    for task in tasks:
        name = f"{task.task_id}[{task.map_index}]" if task.map_index >= 0 else task.task_id
        lines.append(f"{name} {task.state}" + (f" {task.duration:.1f} s" if task.duration else ""))
        if task.state not in PASSED:
            failed.append(f"{dag_id}.{name}")
    print(f"{dag_id}: {result.state} in {time.monotonic() - began:.1f} s ({', '.join(lines)})", flush=True)  # noqa: T201
    if result.state != "success":
        sys.exit(f"failed: {', '.join(failed)}")
    return any(task.state == "success" for task in tasks)


def main() -> None:
    """Run the chain; the exit code is 1 if a task failed."""
    folder = Path(sys.argv[1])
    bag = BundleDagBag(dag_folder=folder, bundle_path=folder, bundle_name="dags-folder")
    if bag.import_errors:
        sys.exit(f"DAGs cannot be read: {bag.import_errors}")
    batches = int(sys.argv[2]) or sys.maxsize
    failed: list[str] = []
    while batches and run(bag, "readmission_ingest", failed):
        run(bag, "readmission_process", failed)
        batches -= 1
    for name in ("train", "promote", "batch_score"):
        run(bag, f"readmission_{name}", failed)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
