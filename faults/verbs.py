"""Verbs of the pipeline as processes: run, killed in the middle, started twice."""

import contextlib
import os
import signal
import subprocess
import sys
import time

from readmission.errors import UserError


def start(environment: dict[str, str], *arguments: str) -> "subprocess.Popen[str]":
    """Start a verb in a process group of its own, with its messages at hand."""
    return subprocess.Popen(
        [sys.executable, "-m", "readmission.cli", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run(environment: dict[str, str], *arguments: str, fails: bool = False) -> str:
    """Run a verb and return its last message.

    Args:
        environment: Settings of the installation.
        arguments: Verb and options.
        fails: Whether it must end with 1 and a sentence, instead of with 0.

    Raises:
        UserError: It ended otherwise.
    """
    process = start(environment, *arguments)
    output, _ = process.communicate(timeout=600)
    lines = output.strip().splitlines() or ["no message"]
    if process.returncode != int(fails) or "Traceback" in output:
        raise UserError(f"`readmission {' '.join(arguments)}` ended with {process.returncode}: {lines[-1]}")
    return lines[-1]


def kill_after(environment: dict[str, str], seconds: float, *arguments: str) -> bool:
    """Kill a verb and all its children some seconds after its first message; return whether it was still at work."""
    process = start(environment, *arguments)
    assert process.stdout is not None  # noqa: S101 - it was asked for
    process.stdout.readline()
    time.sleep(seconds)
    at_work = process.poll() is None
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    return at_work


def run_twice(environment: dict[str, str], *arguments: str) -> list[str]:
    """Start a verb twice at once; return the last message of each with its exit code.

    Raises:
        UserError: One ended with a traceback, or neither succeeded.
    """
    processes = [start(environment, *arguments) for _ in range(2)]
    outputs = [process.communicate(timeout=600)[0] for process in processes]
    codes = [process.returncode for process in processes]
    if any("Traceback" in output for output in outputs) or 0 not in codes:
        raise UserError(f"`readmission {' '.join(arguments)}` twice at once ended with {codes}: {outputs[0][-300:]}")
    return [
        f"exit {code}: {(output.strip().splitlines() or ['no message'])[-1]}"
        for code, output in zip(codes, outputs, strict=True)
    ]
