"""`readmission up`: start the parts, run the main job, keep running until Ctrl-C."""

import logging
import signal
import sys
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated

import typer

from readmission.embedded import airflow, main_job, monitoring, options, pgserver, record_systems, secrets, status
from readmission.embedded.components import parts, refuse_busy_ports, refuse_moved_ports, refuse_open_doors
from readmission.embedded.down import stop
from readmission.embedded.sample import choose_source, location
from readmission.embedded.step_processes import DATA, MODEL, StepProcesses
from readmission.embedded.supervisor import Supervisor
from readmission.embedded.waiting import wait_for, wait_for_part
from readmission.errors import UserError
from readmission.settings import Settings, load_settings
from readmission.steps import migrate

log = logging.getLogger(__name__)


def run(
    settings: Settings,
    *,
    detach: Annotated[bool, typer.Option(help="Return once the system is ready; `readmission down` stops it.")] = False,
    sample: Annotated[
        bool | None,
        typer.Option("--sample/--no-sample", help="Use a small synthetic data set instead of the real one."),
    ] = None,
    with_airflow: Annotated[
        bool | None, typer.Option("--airflow/--no-airflow", help="Also start Airflow and let it run the steps.")
    ] = None,
    with_monitoring: Annotated[
        bool | None,
        typer.Option("--monitoring/--no-monitoring", help="Also start Prometheus, with the chart's rules, and a page."),
    ] = None,
    with_notebook: Annotated[
        bool | None,
        typer.Option("--notebook/--no-notebook", help="Also start JupyterLab, with the analyst's view of the data."),
    ] = None,
) -> None:
    """Start Postgres, MLflow, the API and the demo, then ingest, train and promote up to a served prediction.

    State is kept, so a second start continues from it within seconds. In the foreground, Ctrl-C stops everything.
    A system that is already running is brought up to date and left running, whatever happens to this command.
    Source and options are remembered for the next start. Where UCI cannot be reached and no file is named, a first
    start takes the synthetic sample, which a later start with the real data replaces.
    With Airflow, a feed hands out the batches and the DAGs run the steps, from the first batch to the last.

    Raises:
        UserError: A port is busy, or a part or a step failed. The message names its log.

    More than 40 lines, because each option stands here with its help.
    """
    began = time.monotonic()
    settings = with_secrets(settings)
    supervisor = Supervisor(settings)
    ours = not supervisor.running()
    if not ours:
        _say_that_it_runs(supervisor)
    extras = {"airflow": with_airflow, "monitoring": with_monitoring, "notebook": with_notebook}
    chosen = _chosen(settings, sample, extras)
    asked = chosen.source not in ("", options.recall(settings.home).get(options.SOURCE))
    source = choose_source(chosen, asked, running=not ours)
    settings = chosen.replace(feed_source=source) if source else chosen
    try:
        _bring_up(settings, supervisor, source, asked)
        _remember(chosen)
        typer.echo(f"Ready in {time.monotonic() - began:.1f} s.{status.way_to_the_verbs()}")
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
        "`readmission status` shows it, `readmission down` stops it, `readmission update` puts this code in its place."
    )


def _chosen(settings: Settings, sample: bool | None, extras: Mapping[str, bool | None]) -> Settings:
    """Return the settings with this command's options; what it does not name stays as it was remembered."""
    source = settings.source
    if sample or (sample is False and source == location(settings)):
        source = location(settings) if sample else ""
    return settings.replace(source=source, **{name: value for name, value in extras.items() if value is not None})


def _remember(settings: Settings) -> None:
    source = settings.source
    options.remember(
        settings.home,
        {
            options.SOURCE: str(Path(source).absolute()) if source and Path(source).is_file() else source,
            options.AIRFLOW: "true" if settings.airflow.enabled else "",
            options.MONITORING: "true" if settings.monitoring.enabled else "",
            options.NOTEBOOK: "true" if settings.notebook.enabled else "",
        },
    )


def _bring_up(settings: Settings, supervisor: Supervisor, source: str, asked: bool) -> None:
    """Start what does not run, run the steps, and wait for a served prediction."""
    if settings.airflow.enabled:
        start_parts(settings, supervisor)
        wait_for_airflow(settings, supervisor)
    else:
        first = not (settings.home / "postgres").exists()
        with StepProcesses() as steps:
            # They import while the database starts.
            for verbs in (DATA, MODEL) if first else (DATA,):
                steps.prepare(verbs)
            start_parts(settings, supervisor, without=main_job.AFTER_DATA if first else ())
            main_job.run(settings, source, asked, steps)
    wait_for("a prediction", lambda: status.collect(settings)["ready"], supervisor, "api", seconds=60)
    typer.echo(status.render(status.collect(settings)))
    if settings.monitoring.enabled and (sentence := monitoring.advice(settings)):
        typer.echo(sentence)


def start_parts(settings: Settings, supervisor: Supervisor, without: Collection[str] = ()) -> None:
    """Start every part that does not run yet, but for some."""
    refuse_open_doors(settings)
    listed = parts(settings)
    if supervisor.running():
        refuse_moved_ports(listed, supervisor.states())
    else:
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
        if part.name not in without:
            supervisor.start(part.name)


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
