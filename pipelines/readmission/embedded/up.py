"""`readmission up`: start the parts, run the main job, keep running until Ctrl-C."""

import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from readmission.data.synthetic import sample_path
from readmission.embedded import airflow, pgserver, record_systems, secrets, status
from readmission.embedded.component import Part
from readmission.embedded.components import parts, refuse_busy_ports
from readmission.embedded.down import stop
from readmission.embedded.supervisor import Supervisor
from readmission.errors import UserError
from readmission.polling import wait_until
from readmission.settings import Settings, load_settings
from readmission.steps import migrate

log = logging.getLogger(__name__)

#: Trained and promoted before the others where nothing is served yet: a tenth of the work of all six families, and on
#: the UCI data the one that is promoted in the end. It is named here, since `models` takes seconds to import.
FIRST_FAMILY = "lightgbm"


def run(
    settings: Settings,
    *,
    detach: Annotated[bool, typer.Option(help="Return once the system is ready; `readmission down` stops it.")] = False,
    sample: Annotated[bool, typer.Option(help="Use a small synthetic data set instead of the real one.")] = False,
    with_airflow: Annotated[
        bool, typer.Option("--airflow", help="Also start Airflow and let it run the steps.")
    ] = False,
    with_monitoring: Annotated[
        bool, typer.Option("--monitoring", help="Also start Prometheus, with the chart's rules, and a status page.")
    ] = False,
) -> None:
    """Start Postgres, MLflow, the API and the demo, then ingest, train and promote up to a served prediction.

    State is kept, so a second start continues from it within seconds. In the foreground, Ctrl-C stops everything.
    A system that is already running is brought up to date and left running, whatever happens to this command.
    With Airflow, a feed hands out the batches and the DAGs run the steps, from the first batch to the last.

    Raises:
        UserError: A port is busy, or a part or a step failed. The message names its log.
    """
    began = time.monotonic()
    settings = with_secrets(settings)
    supervisor = Supervisor(settings)
    ours = not supervisor.running()
    if not ours:
        _say_that_it_runs(supervisor)
    source = str(sample_path(settings)) if sample else ""
    settings = _with_options(settings, source, with_airflow, with_monitoring)
    try:
        _bring_up(settings, supervisor, source)
        typer.echo(f"Ready in {time.monotonic() - began:.1f} s.")
        if ours and not detach:
            _stay(supervisor)
    except BaseException as error:
        if ours and (not detach or not isinstance(error, UserError)):
            stop(settings)
        raise
    if ours and not detach:
        stop(settings)


def _say_that_it_runs(supervisor: Supervisor) -> None:
    typer.echo(
        f"The system is already running (started {supervisor.started_at()}). "
        "`readmission status` shows it, `readmission down` stops it."
    )


def _with_options(settings: Settings, source: str, with_airflow: bool, with_monitoring: bool) -> Settings:
    if with_airflow or settings.airflow.enabled:
        settings = settings.replace(**({"airflow": True} | ({"feed_source": source} if source else {})))
    return settings.replace(monitoring=True) if with_monitoring else settings


def _bring_up(settings: Settings, supervisor: Supervisor, source: str) -> None:
    """Start what does not run, run the steps, and wait for a served prediction."""
    start_parts(settings, supervisor)
    if settings.airflow.enabled:
        wait_for_airflow(settings, supervisor)
    else:
        main_job(settings, source)
    wait_for("a prediction", lambda: status.collect(settings)["ready"], supervisor, "api", seconds=60)
    typer.echo(status.render(status.collect(settings)))


def start_parts(settings: Settings, supervisor: Supervisor) -> None:
    """Start every part that does not run yet."""
    listed = parts(settings)
    if not supervisor.running():
        refuse_busy_ports(listed)
        supervisor.launch(listed)
    supervisor.add(listed)
    record_systems.ensure(settings)
    pgserver.initialise(settings)
    supervisor.start("postgres")
    wait_for_part(supervisor, listed[0])
    migrate.run(settings)
    if settings.airflow.enabled:
        airflow.migrate(settings)
    for part in listed[1:]:
        supervisor.start(part.name)


def main_job(settings: Settings, source: str) -> None:
    """Run the steps up to a champion; steps that are done already are skipped.

    Raises:
        UserError: A step failed. If no source was asked for and a champion serves, a failed ingest is a warning.
    """
    supervisor = Supervisor(settings)
    by_name = {part.name: part for part in parts(settings)}
    before = status.batches(settings)
    try:
        step("ingest", "--all", *(["--source", source] if source else []))
    except UserError:
        wait_for_part(supervisor, by_name["mlflow"])
        if source or "source" in settings.model_fields_set or not before or not status.has_champion(settings):
            raise
        log.warning("No new data could be taken; the messages are above. The system serves on with what it has.")
    step("process")
    wait_for_part(supervisor, by_name["mlflow"])
    serves = status.has_champion(settings)
    if not serves:
        _serve_first_family(settings, supervisor, by_name["api"])
    if status.batches(settings) != before or not serves:
        step("train")
        step("promote")
    wait_for_part(supervisor, by_name["api"])
    wait_for_part(supervisor, by_name["ui"])


def _serve_first_family(settings: Settings, supervisor: Supervisor, api: Part) -> None:
    """Train and promote one quick family, so that predictions are answered while the others are trained."""
    step("train", "--models", FIRST_FAMILY)
    try:
        step("promote")
    except UserError:
        log.warning("%s alone does not pass the gates; the other families are trained now", FIRST_FAMILY)
        return
    wait_for_part(supervisor, api)
    wait_for("a prediction", lambda: status.collect(settings)["ready"], supervisor, "api", seconds=60)
    log.info("predictions are answered by %s; the other families are trained now", FIRST_FAMILY)


def wait_for_airflow(settings: Settings, supervisor: Supervisor) -> None:
    """Wait until Airflow has promoted the first model."""
    for part in parts(settings)[1:]:
        wait_for_part(supervisor, part)
    log.info(
        "Airflow (%s, user admin, password in %s) is running the steps",
        f"http://127.0.0.1:{settings.airflow.port}",
        settings.home / "secrets.env",
    )
    wait_for(
        "Airflow to promote a model",
        lambda: status.has_champion(settings),
        supervisor,
        "airflow-scheduler",
        seconds=1200,
    )


def step(verb: str, *arguments: str) -> None:
    """Run one verb as a process of its own that logs to the same terminal.

    Raises:
        UserError: The verb failed.
    """
    log.info("— %s", verb)
    result = subprocess.run([sys.executable, "-m", "readmission.cli", verb, *arguments], check=False)
    if result.returncode:
        raise UserError(f"The step `{verb}` failed; its messages are above. `readmission status` shows the parts.")


def wait_for(what: str, ready: Callable[[], bool], supervisor: Supervisor, part: str, seconds: float) -> None:
    """Wait for something that a part does, and log every ten seconds what for.

    Raises:
        UserError: The part keeps failing at its start, or the time is over. The message ends with the part's log.
    """
    next_message = time.monotonic() + 2

    def done() -> bool:
        nonlocal next_message
        if ready():
            return True
        if supervisor.states().get(part, ("STOPPED", None))[0] == "FATAL":
            raise UserError(f"Waiting for {what}: {part} failed at every start.")
        if time.monotonic() > next_message:
            log.info("waiting for %s ...", what)
            next_message = time.monotonic() + 10
        return False

    try:
        wait_until(done, seconds=seconds, failure=f"Waiting for {what}: not ready within {seconds:.0f} s.")
    except UserError as error:
        raise UserError(f"{error}\n{_tail(supervisor.log_of(part))}") from error


def wait_for_part(supervisor: Supervisor, part: Part) -> None:
    """Wait until a part is healthy."""
    wait_for(part.name, part.healthy, supervisor, part.name, seconds=300)


def _tail(path: Path) -> str:
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    return "\n".join([f"The end of {path}:", *lines[-15:]])


def with_secrets(settings: Settings) -> Settings:
    """Create the secrets that are absent and return the settings with them."""
    secrets.ensure(settings.home)
    load_settings.cache_clear()
    return load_settings()


def _stay(supervisor: Supervisor) -> None:
    typer.echo("Ctrl-C stops the system.")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    down: set[str] = set()
    try:
        while supervisor.running():
            fatal = {name for name, (state, _) in supervisor.states().items() if state == "FATAL"}
            for name in fatal - down:
                log.warning("%s keeps failing: see %s", name, supervisor.log_of(name))
            down = fatal
            time.sleep(1)
    except KeyboardInterrupt:
        typer.echo("\nStopping ...")
