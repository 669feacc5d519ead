"""Run verbs one after another in one process, which imports them before the first comes (`embedded.step_processes`).

Training and promotion import seconds of libraries. Here they do that once, and while something else runs.
"""

import contextlib
import importlib
import json
import os
import sys

from readmission import cli

#: Exit codes of a verb that SIGINT or SIGTERM ended: they are meant for the process.
_INTERRUPTED = (130, 143)


def main() -> None:
    """Import the verbs that the arguments name, then run what comes in: a command line as JSON in each line.

    Each is answered by a line with its exit code. The process ends with its input, or with a verb that was interrupted.
    """
    # What a verb prints is no answer.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with contextlib.suppress(KeyboardInterrupt):
        for verb in sys.argv[1:]:
            importlib.import_module(cli.VERBS[verb][0])
        for line in sys.stdin:
            code = run(json.loads(line))
            print(code, file=answers, flush=True)
            if code in _INTERRUPTED:
                return


def run(command_line: list[str]) -> int:
    """Run one command line; return its exit code."""
    sys.argv[1:] = command_line
    try:
        cli.main()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


if __name__ == "__main__":
    main()
