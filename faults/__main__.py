"""Inject faults into an embedded system and print what was lost: ``make faults``, ``python -m faults``.

The system is one of its own, in a temporary folder and on ports of its own. Ends with 1 if anything was lost.
"""

import logging
import signal
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from faults import artifacts, backups, clocks, disks, outages, processes, steps
from faults.observation import Fault, Observation, SkippedError, Table
from faults.site import Site
from readmission.errors import UserError
from readmission.logs import configure_logging

log = logging.getLogger("readmission.faults")
FAULTS: tuple[Fault, ...] = (
    *processes.FAULTS,
    *outages.FAULTS,
    *disks.FAULTS,
    *artifacts.FAULTS,
    *clocks.FAULTS,
    *steps.FAULTS,
    *backups.FAULTS,
)


def choose(names: Sequence[str], quick: bool) -> list[Fault]:
    """Return the faults to inject, those that replace the data last.

    Raises:
        UserError: No fault has this in its name.
    """
    for name in names:
        if not any(name in fault.name for fault in FAULTS):
            raise UserError(f"No fault has {name!r} in its name. Choose of: {', '.join(f.name for f in FAULTS)}.")
    chosen = [
        fault for fault in FAULTS if (any(name in fault.name for name in names) if names else fault.quick or not quick)
    ]
    return sorted(chosen, key=lambda fault: fault.last)


def inject(site: Site, faults: Sequence[Fault]) -> Table:
    """Inject one fault after the other; between two, everything is as before."""
    table = Table()
    for fault in faults:
        log.info("— %s", fault.name)
        try:
            site.heal()
            observation = fault.inject(site)
        except SkippedError as reason:
            table.skip(fault.name, str(reason))
            log.warning("SKIPPED: %s", reason)
            continue
        except UserError as error:
            observation = Observation(lost="not counted", saw="—", problems=(str(error),))
        except Exception as error:  # the other faults are injected all the same
            log.exception("%s", fault.name)
            observation = Observation(lost="not counted", saw="—", problems=(f"{type(error).__name__}: {error}",))
        table.add(fault.name, observation)
        log.info("lost %s; %s", observation.lost, observation.saw)
        for problem in observation.problems:
            log.error("%s", problem)
    return table


def main() -> int:
    """Run from the command line; return the exit code."""
    parser = ArgumentParser(prog="python -m faults", description=__doc__)
    parser.add_argument("names", nargs="*", help="inject only faults with one of these in their names [all]")
    parser.add_argument("--quick", action="store_true", help="inject the few faults that CI injects")
    parser.add_argument("--list", action="store_true", help="print the names of the faults")
    options = parser.parse_args()
    faults = choose(options.names, options.quick)
    if options.list:
        print(*(fault.name for fault in faults), sep="\n")
        return 0
    configure_logging("text")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the system ends with this process
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="readmission-faults-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL may run as another user, who must be able to walk through
        site = Site(Path(folder))
        try:
            site.open()
            table = inject(site, faults)
        finally:
            site.close()
    print(table.render())
    print(f"Took {time.monotonic() - began:.0f} s.")
    return 1 if table.problems else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f"faults: {error}")
