"""Processes that run the steps of `up`: each imports what its steps need before their turn comes."""

import contextlib
import json
import logging
import subprocess
import sys
from types import TracebackType
from typing import Self

from readmission.errors import UserError

log = logging.getLogger(__name__)

#: Steps that share a process.
DATA, MODEL = ("ingest", "process"), ("train", "promote")


class StepProcesses:
    """Processes of the steps, one for those of DATA and one for those of MODEL.

    When the context is left they end; when an error leaves it, also in the middle of a step.
    """

    def __init__(self) -> None:
        self._processes: dict[tuple[str, ...], subprocess.Popen[str]] = {}

    def __enter__(self) -> Self:
        """Start nothing yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes."""
        for process in self._processes.values():
            if kind is not None:
                process.terminate()  # a step unwinds, so that its transaction is rolled back
            with process, contextlib.suppress(BrokenPipeError):
                pass

    def prepare(self, verbs: tuple[str, ...]) -> subprocess.Popen[str]:
        """Start the process of DATA or MODEL, unless it runs; return it."""
        process = self._processes.get(verbs)
        if process is None or process.poll() is not None:
            # This process has switched MLflow's telemetry off, and they inherit that.
            command = [sys.executable, "-m", "readmission.runner", *verbs]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self._processes[verbs] = process
        return process

    def run(self, verb: str, *arguments: str) -> None:
        """Run one verb, which logs to the same terminal.

        Raises:
            UserError: The verb failed.
        """
        log.info("— %s", verb)
        process = self.prepare(next(verbs for verbs in (DATA, MODEL) if verb in verbs))
        code = ""
        with contextlib.suppress(BrokenPipeError):  # it has ended
            print(json.dumps([verb, *arguments]), file=process.stdin, flush=True)
            code = process.stdout.readline().strip() if process.stdout else ""
        if code != "0":
            raise UserError(f"The step `{verb}` failed; its messages are above. `readmission status` shows the parts.")
