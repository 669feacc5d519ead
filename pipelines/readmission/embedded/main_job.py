"""The main job of `up`: the steps from raw rows to a champion that answers, one quick family first."""

import logging

from readmission.embedded import status
from readmission.embedded.component import Part
from readmission.embedded.components import parts
from readmission.embedded.step_processes import StepProcesses
from readmission.embedded.supervisor import Supervisor
from readmission.embedded.waiting import wait_for, wait_for_part
from readmission.errors import UserError
from readmission.settings import Settings

log = logging.getLogger(__name__)

#: Trained and promoted before the others where nothing is served yet: a tenth of the work of all six families, and on
#: the UCI data the one that is promoted in the end. It is named here, since `models` takes seconds to import.
FIRST_FAMILY = "lightgbm"
#: Parts that answer nothing before there is a model: a first start leaves the cores to the data until it is read.
AFTER_DATA = ("api", "ui")
#: File in the folder of the API's models that makes its sidecar poll the registry now (`serving.predict`).
_POKE = "poke"


def run(settings: Settings, source: str, asked: bool, steps: StepProcesses) -> None:
    """Run the steps up to a champion; steps that are done already are skipped.

    Args:
        settings: Of the system.
        source: What to ingest. If empty, what the settings name.
        asked: Whether this command was asked for its source.
        steps: Processes that run the steps.

    Raises:
        UserError: A step failed. If no source was asked for and a champion serves, a failed ingest is a warning.
    """
    supervisor = Supervisor(settings)
    by_name = {part.name: part for part in parts(settings)}
    before = status.batches(settings)
    try:
        steps.run("ingest", "--all", *(["--source", source] if source else []))
    except UserError:
        wait_for_part(supervisor, by_name["mlflow"])
        if asked or not before or not status.has_champion(settings):
            raise
        log.warning("No new data could be taken; the messages are above. The system serves on with what it has.")
    steps.run("process")
    for name in AFTER_DATA:
        supervisor.start(name)
    wait_for_part(supervisor, by_name["mlflow"])
    serves = status.has_champion(settings)
    if not serves:
        _serve_first_family(settings, supervisor, by_name["api"], steps)
    if status.batches(settings) != before or not serves:
        steps.run("train")
        steps.run("promote")
        _announce(settings)
    wait_for_part(supervisor, by_name["api"])
    wait_for_part(supervisor, by_name["ui"])


def _serve_first_family(settings: Settings, supervisor: Supervisor, api: Part, steps: StepProcesses) -> None:
    """Train and promote one quick family, so that predictions are answered while the others are trained."""
    steps.run("train", "--models", FIRST_FAMILY)
    try:
        steps.run("promote")
    except UserError:
        log.warning("%s alone does not pass the gates; the other families are trained now", FIRST_FAMILY)
        return
    _announce(settings)
    wait_for_part(supervisor, api)
    wait_for("a prediction", lambda: status.collect(settings)["ready"], supervisor, "api", seconds=60)
    log.info("predictions are answered by %s; the other families are trained now", FIRST_FAMILY)


def _announce(settings: Settings) -> None:
    """Let the API look for a new champion now rather than within seconds."""
    folder = settings.home / "models" / settings.mlflow.model_name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _POKE).touch()
