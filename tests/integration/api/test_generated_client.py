"""A client that openapi-python-client generates from /openapi.json gets typed answers."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.integration.api.tools import EXAMPLE, Api, serve_model

#: It needs an older typer than this project's, so it runs in an environment of its own.
GENERATOR = "openapi-python-client==0.29.1"
NAME = "readmission_generated"


@pytest.fixture(scope="module")
def api(compiled: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with serve_model(tmp_path_factory.mktemp("api"), compiled["lightgbm"]) as running:
        yield running


@pytest.fixture(scope="module")
def generated(api: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """Generate the client from the running API; skip where the generator cannot be installed."""
    folder = tmp_path_factory.mktemp("generated")
    uvx = str(Path(sys.executable).with_name("uvx"))
    run = [uvx, "--quiet", "--from", GENERATOR, "openapi-python-client"]
    if subprocess.run([*run, "--version"], capture_output=True, check=False).returncode:
        pytest.skip(f"{GENERATOR} cannot be installed here")
    document = folder / "openapi.json"
    document.write_bytes(api.http.get("/openapi.json").content)
    options = ["--meta", "none", "--output-path", str(folder / NAME)]
    done = subprocess.run([*run, "generate", "--path", str(document), *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    sys.path.insert(0, str(folder))
    yield importlib.import_module(NAME)
    sys.path.remove(str(folder))
    for module in [name for name in sys.modules if name.split(".")[0] == NAME]:
        del sys.modules[module]


def part(path: str) -> Any:
    return importlib.import_module(f"{NAME}.{path}")


def test_prediction_batch_and_feedback_are_typed(api: Api, generated: ModuleType) -> None:
    client = generated.Client(base_url=str(api.http.base_url), raise_on_unexpected_status=True)
    models = part("models")
    encounter = models.Encounter.from_dict(EXAMPLE)
    answer = part("api.predictions.predict").sync(client=client, body=encounter)
    assert isinstance(answer, models.Answer)
    assert answer.probabilities["<30"] == answer.readmission_risk_30d
    assert answer.prediction in set(models.Outcome)

    batch = part("api.predictions.predict_batch").sync(client=client, body=models.Records([encounter, encounter]))
    assert isinstance(batch, models.Answers) and len(batch.predictions) == 2

    report = models.Report(prediction_id=answer.prediction_id, outcome=models.Outcome("<30"))
    recorded = part("api.outcomes.feedback").sync(client=client, body=report)
    assert isinstance(recorded, models.Recorded) and recorded.status == "pending"
    info = part("api.model.model_info").sync(client=client)
    assert isinstance(info, models.ModelInfo) and info.risk_bands[0].name == "usual"


def test_a_refusal_is_typed(api: Api, generated: ModuleType) -> None:
    client = generated.Client(base_url=str(api.http.base_url), raise_on_unexpected_status=True)
    models = part("models")
    wrong = models.Encounter.from_dict(EXAMPLE)
    wrong.time_in_hospital = 99
    answer = part("api.predictions.predict").sync(client=client, body=wrong)
    assert isinstance(answer, models.Refusal)
    assert [(problem.field, problem.problem) for problem in answer.errors] == [("time_in_hospital", "range")]


def test_each_list_of_values_is_one_type(generated: ModuleType) -> None:
    assert len(list((Path(str(generated.__file__)).parent / "models").glob("*.py"))) < 100
