"""One door to every benchmark: ``python -m bench WHAT [options]``, or ``make bench WHAT=...``."""

import importlib
import logging
import sys
from collections.abc import Callable

from readmission.errors import UserError

#: What can be measured -> its function, which takes the remaining arguments and returns the exit code. Imported when
#: asked for: some need Dask, some MLflow, and `airflow` neither.
BENCHMARKS = {
    "api": "bench.serving.api:compare",
    "batch": "bench.serving.api:compare_batches",
    "check": "bench.serving.api:check",
    "capacity": "bench.serving.capacity:main",
    "card": "bench.serving.card:main",
    "disrupt": "bench.serving.disrupt:main",
    "privacy": "bench.serving.privacy:main",
    "idle": "bench.pipeline.idle:main",
    "first": "bench.pipeline.first:main",
    "pipeline": "bench.pipeline.steps:main",
    "growth": "bench.pipeline.growth:main",
    "naive": "bench.pipeline.naive:main",
    "baseline": "bench.pipeline.baseline:main",
    "scale": "bench.pipeline.dask:main",
    "airflow": "bench.pipeline.airflow:main",
}


def benchmark(name: str) -> Callable[[list[str]], int]:
    """Import one benchmark.

    Raises:
        UserError: There is no benchmark of this name.
    """
    if name not in BENCHMARKS:
        raise UserError(f"There is no benchmark {name!r}. Choose one of: {', '.join(BENCHMARKS)}.")
    module, _, function = BENCHMARKS[name].partition(":")
    entry: Callable[[list[str]], int] = getattr(importlib.import_module(module), function)
    return entry


def main(arguments: list[str]) -> int:
    """Run the benchmark that the first argument names; return its exit code."""
    if not arguments or arguments[0] in ("-h", "--help"):
        sys.stdout.write(f"{__doc__}\n\nWHAT is one of: {', '.join(BENCHMARKS)}. `WHAT --help` lists its options.\n")
        return 0 if arguments else 2
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each request
    return benchmark(arguments[0])(arguments[1:])


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (UserError, RuntimeError) as error:
        sys.exit(str(error))
