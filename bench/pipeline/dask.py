"""Measure process and train (LightGBM) on Dask workers of this machine, on replicated data, beside a local run.

    make bench-scale                                a million rows: ten copies
    make bench-scale ARGS="--copies 98"             ten million

The real rows are ingested and processed as always, once: that is the local run. Then the *accepted raw rows* are copied
inside the database, with encounters and patients of their own in each copy (a copy stays in its patient's split), and
everything is processed and trained on Dask. What is not measured at size: ingest, MLflow, promotion.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
from distributed import Client, LocalCluster

from bench.pipeline.steps import another, free_port, wait
from readmission import contract, engine
from readmission.embedded import pgserver, secrets
from readmission.settings import Settings
from readmission.steps import ingest, migrate, process
from readmission.stores import postgres
from readmission.training import dask, dataset


def main() -> int:
    """Run the measurement and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default="", help="csv or UCI zip [READMISSION_SOURCE, or the UCI download]")
    parser.add_argument("--copies", type=int, default=10, help="of every raw row")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="Dask workers, a process each")
    parser.add_argument("--memory", default="auto", help="limit of a worker, such as 3GB")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-scale-") as directory:
        home = Path(directory)
        home.chmod(0o755)  # Postgres runs as an unprivileged user
        settings = Settings(_env_file=[secrets.ensure(home)], home=home, postgres_port=free_port())
        if chosen.source:
            settings = settings.model_copy(update={"source": chosen.source})
        pgserver.initialise(settings)
        server = subprocess.Popen(
            pgserver.command(settings), cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            wait(pgserver.accepts(settings))
            migrate.run(settings)
            measure(settings, chosen.copies, chosen.workers, chosen.memory)
        finally:
            server.send_signal(2)
            server.wait(120)
    return 0


def measure(settings: Settings, copies: int, workers: int, memory: str) -> None:
    """Run the local steps once, copy the raw rows, run the same on Dask."""
    ingest.run(settings, every=True)
    once = count(settings)
    timed("process, local", once, lambda: process.run(settings))
    local = timed("train, local", once, lambda: dataset.fit(dataset.load(settings), "lightgbm", settings.seed))
    print(
        f"{'':<22} peak of the one process {peak() / 1e9:.2f} GB; test ROC-AUC {local.metrics['test_roc_auc_30']:.4f}"
    )
    began = time.perf_counter()
    for copy in range(1, copies):
        replicate(settings, copy)
    print(f"raw rows copied to {count(settings):,} in {time.perf_counter() - began:.0f} s", flush=True)
    told = {"engine": "dask", "dask_workers": workers, "dask_worker_memory": memory}
    with start(workers, memory) as cluster:
        there = settings.model_copy(update={**told, "dask_scheduler": cluster.scheduler_address})
        timed("process, Dask", count(settings) - once, lambda: process.run(there))
        tell(cluster)
    with start(workers, memory) as cluster:
        there = settings.model_copy(update={**told, "dask_scheduler": cluster.scheduler_address})
        found = timed("train, Dask", count(settings), lambda: train(there))
        tell(cluster)
    print(
        f"{'':<22} test ROC-AUC {found.metrics['test_roc_auc_30']:.4f}; fit alone {found.metrics['fit_seconds']:.0f} s"
    )
    print(f"machine: {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} (above the cores: seconds mean little)")


def start(workers: int, memory: str) -> LocalCluster:
    """Start new workers, so that a peak is of one phase."""
    return LocalCluster(n_workers=workers, threads_per_worker=1, memory_limit=memory, dashboard_address=None)


def train(settings: Settings) -> dataset.Candidate:
    """Read, encode, fit and score on the workers."""
    with engine.cluster(settings) as client:
        return dask.fit(dask.load(settings, client), "lightgbm", settings.seed)


def timed(name: str, rows: int, work: Callable[[], object]) -> object:
    """Do some work and print its time."""
    began = time.perf_counter()
    done = work()
    seconds = time.perf_counter() - began
    print(f"{name:<22} {rows:>11,} rows {seconds:8.1f} s {rows / seconds:9,.0f} rows/s", flush=True)
    return done


def peak() -> int:
    """Return the largest resident memory that this process has had, in bytes.

    Not ru_maxrss: a worker inherits that of the process that started it.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def tell(cluster: LocalCluster) -> None:
    """Print the largest memory of each worker and of this process since they began."""
    with Client(cluster) as client:
        sizes = sorted(size / 1e9 for size in client.run(peak).values())
    own = peak() / 1e9
    workers = ", ".join(f"{size:.2f}" for size in sizes)
    print(f"{'':<22} peak of each worker {workers} GB, of this process {own:.2f} GB, at most {sum(sizes) + own:.2f} GB")


def count(settings: Settings) -> int:
    """Return how many raw rows there are."""
    with postgres.transaction(settings, "monitor") as cursor:
        cursor.execute("SELECT sum(accepted) FROM raw.batches")
        return int(cursor.fetchone()[0])


def replicate(settings: Settings, copy: int) -> None:
    """Copy the raw rows of the first copy once more, in one transaction."""
    names = ", ".join(f'e."{name}"' for name in contract.COLUMN_NAMES if name not in contract.IDENTIFIERS)
    into = names.replace("e.", "")
    with postgres.transaction(settings, "owner") as cursor:
        cursor.execute("SELECT count(*) FROM raw.batches WHERE source_sha256 NOT LIKE 'copy%'")
        batches = int(cursor.fetchone()[0])
        cursor.execute("SELECT DISTINCT patient_nbr FROM raw.encounters WHERE batch_id <= %s", (batches,))
        patients = [row[0] for row in cursor.fetchall()]
        cursor.execute("CREATE TEMP TABLE other (patient bigint PRIMARY KEY, number bigint) ON COMMIT DROP")
        postgres.copy_in(
            cursor, "other", pa.table({"patient": patients, "number": [another(p, copy) for p in patients]})
        )
        shift = copy * batches
        cursor.execute(
            "INSERT INTO raw.batches SELECT batch_id + %s, source, 'copy ' || %s, source_batch, synthetic, rows_read,"
            " accepted, quarantined, duplicate, started, finished FROM raw.batches WHERE batch_id <= %s",
            (shift, copy, batches),
        )
        cursor.execute(
            f"INSERT INTO raw.encounters (encounter_id, patient_nbr, {into}, batch_id, content_hash)"  # noqa: S608
            f" SELECT e.encounter_id + %s::bigint * 1000000000, o.number, {names}, e.batch_id + %s, e.content_hash"
            " FROM raw.encounters e JOIN other o ON o.patient = e.patient_nbr WHERE e.batch_id <= %s",
            (copy, shift, batches),
        )


if __name__ == "__main__":
    sys.exit(main())
