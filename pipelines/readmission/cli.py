"""The command line: `readmission <verb>`; the only place that configures logging."""

import contextlib
import functools
import importlib
import inspect
import logging
import signal
import sys
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from readmission import tracing
from readmission.errors import UserError
from readmission.logs import JsonFormatter, configure_logging
from readmission.settings import Role, Settings, load_settings

#: Every verb: its module (with `run(settings, ...)`, whose annotated arguments become options) and a line of help.
VERBS: dict[str, tuple[str, str]] = {
    "up": ("readmission.embedded.up", "Start the embedded system and run its main job."),
    "down": ("readmission.embedded.down", "Stop the embedded system."),
    "status": ("readmission.embedded.status", "Show every part, the batches and the model."),
    "dags": ("readmission.embedded.dags", "Run the whole chain of Airflow's DAGs once, with no scheduler."),
    "settings": ("readmission.steps.settings", "Show every setting: its variable, its value, what it means."),
    "migrate": ("readmission.steps.migrate", "Create databases, roles and tables, or bring them up to date."),
    "backup": ("readmission.backup.create", "Save everything that cannot be made anew: data, models, log, secrets."),
    "restore": ("readmission.backup.restore", "Restore a backup, wholly or not at all."),
    "feed": ("readmission.feed.serve", "Hand out the data set over HTTP as a hospital system would."),
    "ingest": ("readmission.steps.ingest", "Take batches of raw rows into RAW; bad rows to quarantine."),
    "process": ("readmission.steps.process", "Turn new RAW batches into CLEAN: typed, split by patient."),
    "train": ("readmission.steps.train", "Train model families on the clean batches."),
    "search": ("readmission.steps.search", "Search the parameters of a family; resumes where it ended."),
    "promote": ("readmission.steps.promote", "Make the best candidate the champion, if every gate lets it."),
    "report": ("readmission.steps.report", "Print the champion's quality on test, with intervals."),
    "evaluate": ("readmission.steps.evaluate", "Reproduce the published table: folds, forward in time, ablations."),
    "score": ("readmission.steps.score", "Score the clean table, or a file, with the champion."),
    "rollback": ("readmission.steps.rollback", "Return to the champion before this one."),
    "monitor": ("readmission.steps.monitor", "Look for drift in new batches and recent predictions."),
    "reload": ("readmission.steps.reload", "Tell the API of the champion; wait until every replica answers with it."),
    "outcomes": ("readmission.steps.outcomes", "Join outcomes to predictions: live quality, with intervals."),
    "retrain": ("readmission.steps.retrain", "Decide whether to retrain, and record why or why not."),
    "simulate-drift": (
        "readmission.steps.simulate_drift",
        "Prove the drift rule: no false alarm, every injected drift.",
    ),
    "exporter": ("readmission.monitoring.exporter", "Serve metrics of what only the database knows."),
}

#: Steps whose runs are recorded in monitoring.step_runs, with the database role of each.
RECORDED: dict[str, Role] = {
    "ingest": "ingest",
    "process": "process",
    "train": "train",
    "promote": "train",
    "score": "score",
    "monitor": "monitor",
    "outcomes": "monitor",
    "retrain": "monitor",
}


class Verbs(TyperGroup):
    """Import a verb's module only when it is called: some take seconds."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the verbs in the order of the pipeline."""
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Build one verb's command from its `run`."""
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(VERBS[cmd_name][0])
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command(cmd_name)(as_command(module.run, cmd_name))
        return typer.main.get_command(app)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the verb that the arguments begin with; a mistyped one is answered with verbs like it."""
        if args and args[0] not in VERBS and (close := get_close_matches(args[0], VERBS, cutoff=0.7)):
            ctx.fail(f"There is no verb '{args[0]}'. Did you mean {' or '.join(close)}?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the verbs without importing them."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, line) for name, (_, line) in VERBS.items()])


def as_command(run: Callable[..., Any], verb: str) -> Callable[..., None]:
    """Make a command of a step's `run(settings, ...)`: its other arguments become options.

    The help is the docstring up to its sections. A step that returns an empty list had nothing to do.
    """
    signature = inspect.signature(run, eval_str=True)
    parameters = [p for name, p in signature.parameters.items() if name != "settings"]
    context = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)

    @functools.wraps(run)
    def command(context: typer.Context, **arguments: Any) -> None:
        settings = load_settings()
        configure_logging(settings.log_format)
        with recorded(settings, verb) as nothing_to_do:
            if run(settings, **arguments) != []:
                return
            nothing_to_do()
        raise typer.Exit(context.obj)

    command.__doc__ = inspect.cleandoc(run.__doc__ or "").split("\n\nArgs:")[0].split("\n\nReturns:")[0]
    command.__signature__ = inspect.Signature([context, *parameters])  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in (context, *parameters)}
    return command


@contextlib.contextmanager
def recorded(settings: Settings, verb: str) -> Iterator[Callable[[], None]]:
    """Record the run of a pipeline step in the database, and trace it; other verbs leave no trace."""
    if verb not in RECORDED:
        yield lambda: None
        return
    from readmission.stores import step_runs  # with pandas: half a second that `--help` does not need

    tracing.start(settings, "readmission-pipeline")
    try:
        with tracing.span(verb), step_runs.recorded(settings, verb, RECORDED[verb]) as nothing_to_do:
            yield nothing_to_do
    finally:
        tracing.stop()


app = typer.Typer(
    cls=Verbs,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"readmission {version('readmission')}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    *,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    nothing_to_do: Annotated[
        int, typer.Option(min=0, max=125, help="Exit code of a step that found nothing to do, for orchestrators.")
    ] = 0,
) -> None:
    """Predict the readmission of diabetic patients: each verb is one step of the system.

    Settings are READMISSION_* variables; see docs/settings.md. A usual day: `readmission up`, then
    `readmission ingest --next`, `process`, `train`, `promote`; `readmission status` shows where things stand.
    """
    context.obj = nothing_to_do


def main() -> None:
    """Run the command line; an error that a person can act on is one sentence, not a traceback."""
    # A killed step must unwind: transactions roll back, children are told.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        app(prog_name="readmission")
    except UserError as error:
        if any(isinstance(handler.formatter, JsonFormatter) for handler in logging.getLogger().handlers):
            logging.getLogger("readmission").error("%s", error)
        else:
            typer.echo(f"readmission: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
