"""Do a step's work here, or on the workers of a Dask cluster (READMISSION_ENGINE); see docs/scale.md.

Dask is imported only when it is asked for: a local run does not need it.
"""

import contextlib
import importlib.util
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from readmission.errors import UserError
from readmission.settings import Role, Settings

#: Seconds that a scheduler has to answer.
PATIENCE = 30

Item = TypeVar("Item")
Result = TypeVar("Result")


def each(
    settings: Settings, role: Role, task: Callable[[Settings, Item], Result], items: Sequence[Item]
) -> Iterator[tuple[Item, Result]]:
    """Do a task for each item; give the results in the order of the items.

    Args:
        settings: Settings that say where the work is done. They reach the task.
        role: Only database role whose password reaches the workers. Beside it they get the keys of patients'
            pseudonyms, by which they recognise who has been erased.
        task: A function of a module; on Dask it may run twice when a worker is lost, so it must be idempotent.
        items: Arguments of the task, small and independent of each other.

    Raises:
        UserError: Dask is not installed, or its scheduler does not answer.
    """
    if settings.engine == "local" or not items:
        yield from ((item, task(settings, item)) for item in items)
        return
    with cluster(settings) as client:
        worker_settings = settings.without_secrets(f"postgres_password_{role}", "patient_key", "previous_patient_keys")
        futures = client.map(task, [worker_settings] * len(items), items, pure=False)
        yield from ((item, future.result()) for item, future in zip(items, futures, strict=True))


@contextlib.contextmanager
def cluster(settings: Settings) -> Iterator[Any]:
    """Give a `distributed.Client`: of the scheduler that the settings name, or of a cluster of this process's own.

    Raises:
        UserError: Dask is not installed, or the scheduler does not answer.
    """
    if importlib.util.find_spec("distributed") is None:
        raise UserError("READMISSION_ENGINE=dask needs the extra `scale`: install `readmission[scale]`.")
    from distributed import Client, LocalCluster

    with contextlib.ExitStack() as stack:
        address: Any = settings.dask.scheduler
        if not address:
            address = stack.enter_context(
                LocalCluster(
                    n_workers=settings.dask.workers or None,
                    threads_per_worker=1,  # pandas holds the interpreter's lock for most of a batch
                    memory_limit=settings.dask.worker_memory,
                    dashboard_address=None,
                )
            )
        try:
            client = stack.enter_context(Client(address, timeout=PATIENCE))
        except OSError as error:
            raise UserError(f"READMISSION_DASK_SCHEDULER: nothing answers at {address}: {error}") from error
        yield client
