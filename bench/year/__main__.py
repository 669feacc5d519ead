"""``python -m bench.year``: live through a simulated year; exit code 1 if anything did not hold."""

import sys

from bench.year.command import main
from readmission.errors import UserError

if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except UserError as error:
        sys.exit(f"year: {error}")
