"""The file of Locust's users works as Locust reads it: in a process of its own, which gevent changes."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
LOCUSTFILE = ROOT / "loadtest" / "locustfile.py"
PREPARED = """
from locust.env import Environment
from loadtest import locustfile
environment = Environment()
locustfile.prepare(environment)
users = locustfile.Encounters
assert len(users.bodies) == locustfile.DIFFERENT and len(users.batches) == locustfile.DIFFERENT // locustfile.BATCH
assert {task.__name__ for task in users.tasks} == {"predict", "batch", "invalid", "info"}, users.tasks
assert users.marked(users)["X-Request-ID"].startswith("load-")
shape = locustfile.Stages()
assert shape.tick() == (10, 10.0), shape.tick()
observer = locustfile.Stages.observer
observer.judge()
print("exit code", environment.process_exit_code)
"""


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT)


def test_locust_finds_the_users() -> None:
    listed = run("-m", "locust", "-f", str(LOCUSTFILE), "--list")
    assert listed.returncode == 0 and "Encounters" in listed.stdout, listed.stderr


def test_a_run_without_requests_breaks_the_limits_of_the_smoke_profile() -> None:
    done = run("-c", PREPARED)
    assert done.returncode == 0, done.stderr
    assert "exit code 3" in done.stdout
