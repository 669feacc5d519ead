"""A real Airflow as parts of the embedded system, and the feed that its ingest takes batches from.

`python -m readmission.embedded.airflow <arguments>` is `airflow <arguments>` with the settings of this system.
"""

import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import httpx

from readmission.embedded.component import Part, answers, bound
from readmission.errors import UserError
from readmission.settings import Settings, load_settings

#: DAGs of a checkout. A wheel has none.
DAGS = Path(__file__).parents[2] / "dags"
#: Pool of all trainings, as `house.py` of the DAGs names it.
TRAINING_POOL = "readmission_training"
#: `airflow db migrate` and `airflow pools set` in one process: to import Airflow takes seconds.
_SET_UP = """
import sys
from airflow.__main__ import main
name, slots = sys.argv[1:]
for command in (["db", "migrate"], ["pools", "set", name, slots, "Trainings at once"]):
    sys.argv = ["airflow", *command]
    main()
"""


def parts(settings: Settings) -> list[Part]:
    """List the feed and Airflow's parts in the order they start."""
    url, feed = f"http://127.0.0.1:{settings.airflow.port}", f"http://{settings.feed.host}:{settings.feed.port}"
    python = [*bound(), sys.executable, "-m"]
    module = [*python, "readmission.embedded.airflow"]
    server = [*module, "api-server", "--host", "127.0.0.1", "--port", str(settings.airflow.port), "--workers", "1"]
    return [
        Part(
            name="feed",
            command=[*python, "readmission.cli", "feed"],
            url=feed,
            host=settings.feed.host,
            port=settings.feed.port,
            port_setting="READMISSION_FEED_PORT",
            healthy=answers(f"{feed}/readyz"),
            environment=_feed(settings),
        ),
        Part(
            name="airflow",
            command=server,
            url=url,
            host="127.0.0.1",
            port=settings.airflow.port,
            port_setting="READMISSION_AIRFLOW_PORT",
            healthy=answers(f"{url}/api/v2/version"),
        ),
        # LocalExecutor's logs are files that the server reads itself.
        _daemon("scheduler", [*module, "scheduler", "--skip-serve-logs"], url),
        _daemon("dag-processor", [*module, "dag-processor"], url),
    ]


def _daemon(name: str, command: list[str], url: str) -> Part:
    """Return a part that listens nowhere: port 0 is always free, and the server at `url` reports on it."""
    return Part(
        name=f"airflow-{name}",
        command=command,
        url=url,
        host="127.0.0.1",
        port=0,
        port_setting="",
        healthy=_reports(url, name.replace("-", "_")),
    )


def migrate(settings: Settings) -> None:
    """Create Airflow's tables and its login, or bring them up to date.

    Raises:
        UserError: Airflow is not installed, there are no DAGs here, or Airflow's migration failed, which the message
            says in Airflow's words.
    """
    if find_spec("airflow") is None:
        raise UserError("Airflow is not installed here: `make install` installs it, and `make up AIRFLOW=1` starts it.")
    if not DAGS.is_dir():
        raise UserError(f"{DAGS} has no DAGs. Start Airflow from a clone of the repository.")
    home = settings.home / "airflow"
    home.mkdir(parents=True, exist_ok=True)
    login = home / "passwords.json"
    login.touch(mode=0o600)
    login.write_text(json.dumps({"admin": _secret(settings, "password")}))
    migrate_tables(environment(settings))


def migrate_tables(environment: dict[str, str]) -> None:
    """Create the tables of the Airflow of an environment, or bring them up to date, and the pool of trainings.

    Raises:
        UserError: The migration failed. The message ends with Airflow's own.
    """
    slots = environment["AIRFLOW__READMISSION__TRAIN_PARALLEL"]
    result = subprocess.run(
        [sys.executable, "-c", _SET_UP, TRAINING_POOL, slots],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise UserError(f"Airflow could not create its tables: {(result.stderr or result.stdout).strip()[-500:]}")


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment of Airflow's processes: this one's, and Airflow's configuration.

    Variables AIRFLOW__READMISSION__* of the environment override the values set here.
    """
    database, url = settings.database_url("airflow", "airflow"), f"http://127.0.0.1:{settings.airflow.port}"
    cores = os.cpu_count() or 1
    options = {
        ("core", "dags_folder"): str(DAGS),
        ("core", "load_examples"): "False",
        ("core", "executor"): "LocalExecutor",
        ("core", "parallelism"): str(max(2, cores)),
        ("core", "dags_are_paused_at_creation"): "False",
        ("core", "fernet_key"): base64.urlsafe_b64encode(_derived(settings, "fernet")).decode(),
        ("core", "execution_api_server_url"): f"{url}/execution/",
        ("core", "simple_auth_manager_users"): "admin:admin",
        ("core", "simple_auth_manager_passwords_file"): str(settings.home / "airflow" / "passwords.json"),
        ("database", "sql_alchemy_conn"): database,
        ("database", "sql_alchemy_conn_async"): database.replace("+psycopg2", "+asyncpg"),
        ("api", "base_url"): url,
        ("api", "secret_key"): _derived(settings, "session").hex(),
        ("api_auth", "jwt_secret"): _derived(settings, "jwt").hex(),
        ("usage_data_collection", "enabled"): "False",
        ("readmission", "runtime"): "local",
        ("readmission", "command"): str(Path(sys.executable).with_name("readmission")),
        ("readmission", "ingest_minutes"): f"{settings.airflow.ingest_minutes:g}",
        ("readmission", "approval"): str(settings.airflow.approval),
        ("readmission", "failure_webhook"): _optional(settings, "failure_webhook"),
        ("readmission", "train_parallel"): str(cores),
        ("readmission", "retry_delay"): "5",
    }
    return os.environ | {
        "AIRFLOW_HOME": str(settings.home / "airflow"),
        "READMISSION_HOME": str(settings.home),
        "READMISSION_SOURCE": f"feed+http://{settings.feed.host}:{settings.feed.port}",
        **{f"AIRFLOW__{section}__{name}".upper(): value for (section, name), value in options.items()},
        **{name: value for name, value in os.environ.items() if name.startswith("AIRFLOW__READMISSION__")},
    }


def _feed(settings: Settings) -> dict[str, str]:
    """Return the feed's environment: the system's own data, and short times unless others are set."""
    short = {} if "interval" in settings.feed.model_fields_set else {"READMISSION_FEED_INTERVAL": "60"}
    always = {} if "opening" in settings.feed.model_fields_set else {"READMISSION_FEED_OPENING": ""}
    source = settings.feed.source or settings.source
    return {"READMISSION_FEED_SOURCE": "" if source.startswith("feed+") else source, **short, **always}


def _reports(url: str, component: str) -> Callable[[], bool]:
    def check() -> bool:
        try:
            answer = httpx.get(f"{url}/api/v2/monitor/health", timeout=2)
            return bool(answer.json()[component]["status"] == "healthy")
        except (httpx.HTTPError, ValueError, KeyError):
            return False

    return check


def _optional(settings: Settings, name: str) -> str:
    secret = getattr(settings.airflow, name)
    return secret.get_secret_value() if secret else ""


def _secret(settings: Settings, name: str) -> str:
    if not (value := _optional(settings, name)):
        raise UserError(f"READMISSION_AIRFLOW_{name.upper()} is not set. `make up AIRFLOW=1` creates it.")
    return value


def _derived(settings: Settings, use: str) -> bytes:
    """Derive one of Airflow's keys (32 bytes) from the system's secret for it."""
    return hmac.digest(_secret(settings, "secret").encode(), use.encode(), hashlib.sha256)


def main() -> None:
    """Replace this process by Airflow's; passwords go by the environment, not the command line."""
    arguments = [sys.executable, "-m", "airflow", *sys.argv[1:]]
    os.execve(sys.executable, arguments, environment(load_settings()))  # noqa: S606


if __name__ == "__main__":
    main()
