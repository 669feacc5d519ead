"""The command line: `readmission <verb>`; the only place that configures logging.

More than 250 lines, because it is one table of verbs and their groups.
"""

import contextlib
import functools
import gc
import importlib
import inspect
import json
import logging
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from readmission import tracing
from readmission.errors import RefusalError, UserError
from readmission.logs import JsonFormatter, configure_logging
from readmission.settings import Role, Settings, load_settings

#: Every verb: its module (with `run(settings, ...)`, whose annotated arguments become options) and its help, which
#: repeats the first line of that function's docstring so that `--help` imports no module.
VERBS: dict[str, tuple[str, str]] = {
    "up": (
        "readmission.embedded.up",
        "Start Postgres, MLflow, the API and the demo, then ingest, train and promote up to a served prediction.",
    ),
    "update": (
        "readmission.embedded.update",
        "Put this code in the place of a running system's, which answers predictions throughout.",
    ),
    "down": (
        "readmission.embedded.down",
        "Stop every part of the embedded system. Data, models and secrets are kept unless `--forget` deletes them.",
    ),
    "status": (
        "readmission.embedded.status",
        "Show every part with its address, process and health, the batches, and the model that serves.",
    ),
    "dags": (
        "readmission.embedded.dags",
        "Run every DAG in its order as `airflow dags test` does: batch by batch, then train, promote, score.",
    ),
    "clinic": (
        "readmission.sandbox.discharges",
        "Discharge the patients of a made-up hospital from a sandbox record system, and show a call and its card.",
    ),
    "settings": (
        "readmission.steps.settings",
        "Show every setting with its variable, its value here and what it means; secrets are never shown.",
    ),
    "migrate": (
        "readmission.steps.migrate",
        "Create what is missing and migrate the tables forward; running it again changes nothing.",
    ),
    "backup": (
        "readmission.backup.create",
        "Save databases, clean snapshots, MLflow's artifacts and the encrypted secrets; the system may keep running.",
    ),
    "restore": (
        "readmission.backup.restore",
        "Restore databases, files and secrets of a backup, into a new installation or one that is stopped.",
    ),
    "feed": (
        "readmission.feed.serve",
        "Hand out the data set over HTTP as a hospital system would: a batch at a time, within opening hours.",
    ),
    "ingest": (
        "readmission.steps.ingest",
        "Ingest one named batch, the next one, or all that are missing; done ones are left alone.",
    ),
    "process": ("readmission.steps.process", "Process every RAW batch that is new, or whose outcomes have changed."),
    "train": (
        "readmission.steps.train",
        "Train model families on the clean batches; each is a run in MLflow and a row of training.runs.",
    ),
    "search": (
        "readmission.steps.search",
        "Search for the best parameters of one family, by patient-grouped folds; a search resumes where it ended.",
    ),
    "judge": (
        "readmission.steps.judge",
        "Judge the trained candidates and show the one that `promote --run-id` would make the champion.",
    ),
    "promote": ("readmission.steps.promote", "Make the best trained candidate the champion, if every gate allows it."),
    "report": ("readmission.steps.report", "Print the champion's quality on validation and test, with 95 % intervals."),
    "evaluate": (
        "readmission.steps.evaluate",
        "Reproduce the published table: patient-grouped folds, forward in time and ablations, with intervals.",
    ),
    "score": (
        "readmission.steps.score",
        "Score encounters with the champion: every clean encounter into serving.scores, or a CSV file into a CSV file.",
    ),
    "rollback": (
        "readmission.steps.rollback",
        "Return to the previous champion; the API follows within seconds.",
    ),
    "monitor": (
        "readmission.steps.monitor",
        "Measure the drift of new batches and of recent predictions; write tables, HTML reports and MLflow runs.",
    ),
    "reload": (
        "readmission.steps.reload",
        "Tell the API about the champion and wait until every replica answers with that version.",
    ),
    "outcomes": (
        "readmission.steps.outcomes",
        "Measure live quality on every outcome that is known: ROC-AUC, calibration and more, with 95 % intervals.",
    ),
    "compare": (
        "readmission.steps.compare",
        "Compare the challenger with the champion on the outcomes so far, and name a winner once there is evidence.",
    ),
    "retrain": (
        "readmission.steps.retrain",
        "Decide from batches, drift and live quality whether to retrain, and record the decision with its reason.",
    ),
    "simulate-drift": (
        "readmission.steps.simulate_drift",
        "Prove the drift rule: replay the clean batches as they are and with injected drift, and print the alarms.",
    ),
    "purge": (
        "readmission.steps.purge",
        "Drop what is older than the retention settings allow, and record how many rows were dropped.",
    ),
    "erase": (
        "readmission.privacy.erase",
        "Erase one patient everywhere, and refuse every later delivery of their rows.",
    ),
    "sign": (
        "readmission.privacy.sign",
        "Sign every promoted version that is unsigned, or that an earlier key of this installation signed.",
    ),
    "rekey": (
        "readmission.privacy.rekey",
        "Write the visits of every compiled model under the current READMISSION_PATIENT_KEY.",
    ),
    "privacy": (
        "readmission.privacy.questions",
        "Show every place that holds patients' data, or who asked about one patient.",
    ),
    "simulate-gates": (
        "readmission.steps.simulate_gates",
        "Simulate how often each gate stops a perfect model and how often a worse one passes; print a table.",
    ),
    "exporter": (
        "readmission.monitoring.exporter",
        "Serve the metrics of what only the database knows, on GET /metrics, until it is stopped.",
    ),
}

#: Characters of a result: what Kubernetes keeps of a pod that has ended.
_LONGEST = 4096

#: Steps whose runs are recorded in monitoring.step_runs, with the database role of each.
RECORDED: dict[str, Role] = {
    "ingest": "ingest",
    "process": "process",
    "train": "train",
    "judge": "train",
    "promote": "train",
    "score": "score",
    "monitor": "monitor",
    "outcomes": "monitor",
    "retrain": "monitor",
    "purge": "privacy",
}


@dataclass(frozen=True)
class Orchestrator:
    """What an orchestrator asked of a step: an exit code for "nothing to do", and a file for its result."""

    nothing_to_do: int = 0
    result: Path | None = None

    def tell(self, verb: str, result: Any) -> None:
        """Write the result as JSON, if there is a file for it and the result is as short as a reference."""
        if self.result is None or result is None:
            return
        text = json.dumps({"step": verb, "result": result}, default=str)
        if len(text) > _LONGEST:
            logging.getLogger("readmission").warning("the result of %s is too long to be handed on", verb)
            return
        self.result.write_text(text)


class Verbs(TyperGroup):
    """Group of verbs that imports a verb's module only when it is called, because some imports take seconds."""

    #: Whether the verbs are only listed, for the shell's completion.
    _listing = False

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the verbs in the order of the pipeline."""
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Build one verb's command from its `run`."""
        if cmd_name not in VERBS:
            return None
        if self._listing:
            return TyperCommand(cmd_name, help=VERBS[cmd_name][1])
        gc.disable()  # What is imported stays: looking for garbage in it takes a fifth of the time.
        module = importlib.import_module(VERBS[cmd_name][0])
        gc.freeze()
        gc.enable()
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command(cmd_name)(as_command(module.run, cmd_name))
        return typer.main.get_command(app)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the verb that the arguments begin with; a mistyped one is answered with verbs like it."""
        if args and args[0] not in VERBS and (close := get_close_matches(args[0], VERBS, cutoff=0.7)):
            ctx.fail(f"There is no verb '{args[0]}'. Did you mean {' or '.join(close)}?")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Complete a verb without importing any; the options of a verb complete themselves."""
        self._listing = True
        try:
            return super().shell_complete(ctx, incomplete)
        finally:
            self._listing = False

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the verbs without importing them."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, line) for name, (_, line) in VERBS.items()])


def as_command(run: Callable[..., Any], verb: str) -> Callable[..., None]:
    """Build a command from a step's `run(settings, ...)`, whose other arguments become options.

    Its help is the docstring up to its sections. A step that returns an empty list had nothing to do.
    """
    signature = inspect.signature(run, eval_str=True)
    parameters = [p for name, p in signature.parameters.items() if name != "settings"]
    context = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)

    @functools.wraps(run)
    def command(context: typer.Context, **arguments: Any) -> None:
        settings = load_settings()
        configure_logging(settings.log_format)
        orchestrator: Orchestrator = context.obj
        with recorded(settings, verb) as nothing_to_do:
            result = run(settings, **arguments)
            if result != []:
                orchestrator.tell(verb, result)
                return
            nothing_to_do()
        raise typer.Exit(orchestrator.nothing_to_do)

    command.__doc__ = re.split(r"\n\n(?:Args|Returns|Raises):", inspect.cleandoc(run.__doc__ or ""))[0]
    command.__signature__ = inspect.Signature([context, *parameters])  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in (context, *parameters)}
    return command


@contextlib.contextmanager
def recorded(settings: Settings, verb: str) -> Iterator[Callable[[], None]]:
    """Record the run of a pipeline step in the database, and trace it; other verbs are not recorded."""
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
    result: Annotated[
        Path | None, typer.Option(help="File to write the step's result to, as JSON, for orchestrators.")
    ] = None,
) -> None:
    """Predict the readmission of diabetic patients: each verb is one step of the system.

    Settings are READMISSION_* variables; see docs/settings.md. A usual day: `readmission up`, then
    `readmission ingest --next`, `process`, `train`, `promote`; `readmission status` shows where things stand.
    """
    context.obj = Orchestrator(nothing_to_do, result)


def main() -> None:
    """Run the command line; an error that a person can act on is one sentence, not a traceback."""
    # A killed step must unwind, so that transactions roll back and child processes stop.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # Before any step imports MLflow: its client would send usage to the internet, from threads that break requests.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # And before any loads OpenMP: a step shares its cores with the API and other steps, and threads that spin while
    # they wait for each other would take many times the processor time of the work itself.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        app(prog_name="readmission")
    except UserError as error:
        if any(isinstance(handler.formatter, JsonFormatter) for handler in logging.getLogger().handlers):
            logging.getLogger("readmission").error("%s", error)
        else:
            typer.echo(f"readmission: {error}", err=True)
        # As for a wrong option: running the same again cannot help.
        sys.exit(2 if isinstance(error, RefusalError) else 1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
