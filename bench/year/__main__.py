"""``python -m bench.year``: live through a simulated year; exit code 1 if anything did not hold."""

import signal
import sys

from bench.year.command import main
from readmission.errors import UserError

if __name__ == "__main__":
    # A run that is stopped must unwind, so that its servers stop.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(main(sys.argv[1:]))
    except UserError as error:
        sys.exit(f"year: {error}")
