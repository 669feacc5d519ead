"""Measure process and train (LightGBM) on Dask workers of this machine, on replicated data, beside a local run.

    make bench WHAT=scale                         a million rows: ten copies
    make bench WHAT=scale ARGS="--copies 98"      ten million

The real rows are ingested and processed as always, once: that is the local run. Then the *accepted raw rows* are copied
inside the database, with encounters and patients of their own in each copy (a copy stays in its patient's split), and
everything is processed and trained on Dask. Ingest, MLflow and promotion are not measured at size.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
from distributed import Client, LocalCluster

from bench.measurement import machine_load, measure
from bench.pipeline import servers
from bench.pipeline.replicas import replica_of
from readmission import contract, engine
from readmission.settings import Settings
from readmission.steps import ingest, process
from readmission.stores import postgres
from readmission.training import dask, dataset, fitting

Outcome = TypeVar("Outcome")


def main(arguments: list[str]) -> int:
    """Measure both engines and print the figures."""
    parser = argparse.ArgumentParser(
        prog="python -m bench scale", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", default="", help="csv or UCI zip [READMISSION_SOURCE, or the UCI download]")
    parser.add_argument("--copies", type=int, default=10, help="copies of every raw row [10]")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="Dask workers, a process each")
    parser.add_argument("--memory", default="auto", help="memory limit of a worker, such as 3GB [auto]")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bench-scale-") as directory:
        settings = servers.private_settings(Path(directory), **({"source": options.source} if options.source else {}))
        with servers.running(settings):
            compare(settings, options.copies, options.workers, options.memory)
    return 0


def compare(settings: Settings, copies: int, workers: int, memory: str) -> None:
    """Run the local steps once, copy the raw rows, and run the same steps on Dask."""
    ingest.run(settings, every=True)
    original_rows = count(settings)
    timed("process, local", original_rows, lambda: process.run(settings))
    local = timed("train, local", original_rows, lambda: fitting.fit(dataset.load(settings), "lightgbm", settings.seed))
    print(f"{'':<22} peak of the one process {peak_bytes() / 1e9:.2f} GB; {_roc_auc(local)}")
    began = time.perf_counter()
    for copy in range(1, copies):
        replicate(settings, copy)
    print(f"raw rows copied to {count(settings):,} in {time.perf_counter() - began:.0f} s", flush=True)
    on_dask = settings.replace(engine="dask", dask_workers=workers, dask_worker_memory=memory)
    with start_workers(workers, memory) as cluster:
        there = on_dask.replace(dask_scheduler=cluster.scheduler_address)
        timed("process, Dask", count(settings) - original_rows, lambda: process.run(there))
        print_memory(cluster)
    with start_workers(workers, memory) as cluster:
        there = on_dask.replace(dask_scheduler=cluster.scheduler_address)
        fitted = timed("train, Dask", count(settings), lambda: train(there))
        print_memory(cluster)
    print(f"{'':<22} {_roc_auc(fitted)}; fit alone {fitted.metrics['fit_seconds']:.0f} s")
    print(machine_load())


def start_workers(workers: int, memory: str) -> LocalCluster:
    """Start new workers, so that their memory peak belongs to one phase."""
    return LocalCluster(n_workers=workers, threads_per_worker=1, memory_limit=memory, dashboard_address=None)


def train(settings: Settings) -> fitting.FittedFamily:
    """Read, encode, fit and score on the workers."""
    with engine.cluster(settings) as client:
        return dask.fit(dask.load(settings, client), "lightgbm", settings.seed)


def timed(name: str, rows: int, work: Callable[[], Outcome]) -> Outcome:
    """Do some work, print its time, and return its outcome."""
    with measure() as measurement:
        outcome = work()
    seconds = measurement.seconds
    print(f"{name:<22} {rows:>11,} rows {seconds:8.1f} s {rows / seconds:9,.0f} rows/s", flush=True)
    return outcome


def peak_bytes() -> int:
    """Return the largest resident memory that this process has had.

    Not ru_maxrss: a worker inherits that of the process that started it.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def print_memory(cluster: LocalCluster) -> None:
    """Print the peak memory of each worker and of this process since they began."""
    with Client(cluster) as client:
        sizes = sorted(size / 1e9 for size in client.run(peak_bytes).values())
    own = peak_bytes() / 1e9
    workers = ", ".join(f"{size:.2f}" for size in sizes)
    print(f"{'':<22} peak of each worker {workers} GB, of this process {own:.2f} GB, at most {sum(sizes) + own:.2f} GB")


def count(settings: Settings) -> int:
    """Return how many raw rows there are."""
    with postgres.transaction(settings, "monitor") as cursor:
        cursor.execute("SELECT sum(accepted) FROM raw.batches")
        return int(cursor.fetchone()[0])


def replicate(settings: Settings, copy: int) -> None:
    """Copy the original raw rows once more, in one transaction."""
    columns = ", ".join(f'"{name}"' for name in contract.COLUMN_NAMES if name not in contract.IDENTIFIERS)
    originals = ", ".join(f'e."{name}"' for name in contract.COLUMN_NAMES if name not in contract.IDENTIFIERS)
    with postgres.transaction(settings, "owner") as cursor:
        cursor.execute("SELECT count(*) FROM raw.batches WHERE source_sha256 NOT LIKE 'copy%'")
        batches = int(cursor.fetchone()[0])
        cursor.execute(
            "SELECT DISTINCT patient_nbr FROM raw.encounters WHERE batch_id <= %(batches)s", {"batches": batches}
        )
        patients = [row[0] for row in cursor.fetchall()]
        cursor.execute("CREATE TEMP TABLE other (patient bigint PRIMARY KEY, number bigint) ON COMMIT DROP")
        numbers = [replica_of(patient, copy) for patient in patients]
        postgres.copy_in(cursor, "other", pa.table({"patient": patients, "number": numbers}))
        values = {"copy": copy, "batches": batches, "shift": copy * batches}
        cursor.execute(
            "INSERT INTO raw.batches SELECT batch_id + %(shift)s, source, 'copy ' || %(copy)s, source_batch, synthetic,"
            " rows_read, accepted, quarantined, duplicate, started, finished"
            " FROM raw.batches WHERE batch_id <= %(batches)s",
            values,
        )
        cursor.execute(
            f"INSERT INTO raw.encounters (encounter_id, patient_nbr, {columns}, batch_id, content_hash)"  # noqa: S608
            f" SELECT e.encounter_id + %(copy)s::bigint * 1000000000, o.number, {originals}, e.batch_id + %(shift)s,"
            " e.content_hash"
            " FROM raw.encounters e JOIN other o ON o.patient = e.patient_nbr WHERE e.batch_id <= %(batches)s",
            values,
        )


def _roc_auc(fitted: fitting.FittedFamily) -> str:
    return f"test ROC-AUC {fitted.metrics['test_roc_auc_30']:.4f}"
