"""The examples of docs/quickstart.md and of the README, against a running API."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import playwright
import pytest

from tests.integration.api.tools import Api, serve_model

PAGE = (Path(__file__).parents[3] / "docs" / "quickstart.md").read_text()
#: Playwright brings a Node of its own.
NODE = Path(playwright.__file__).parent / "driver" / "node"


@pytest.fixture(scope="module")
def api(compiled: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with serve_model(tmp_path_factory.mktemp("api"), compiled["lightgbm"]) as running:
        yield running


def example(language: str, number: int = 0) -> str:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[number]


def run(command: list[str], api: Api, folder: Path) -> str:
    environment = {"API": str(api.http.base_url).rstrip("/"), "PATH": os.environ["PATH"]}
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=True).stdout


def test_curl(api: Api, tmp_path: Path) -> None:
    answer = json.loads(run(["bash", "-euo", "pipefail", "-c", example("bash")], api, tmp_path))
    assert answer["notes"][:2] == ["diabetesMed was read as 'Yes'", "change was read as 'Ch'"]


def test_the_readmes_request_is_answered_as_it_shows(api: Api, tmp_path: Path) -> None:
    readme = (Path(__file__).parents[3] / "README.md").read_text()
    (request,) = re.findall(r"^    (curl .*?}')$", readme, re.DOTALL | re.MULTILINE)
    (shown,) = re.findall(r"^    ({\"prediction_id.*?})$", readme, re.DOTALL | re.MULTILINE)
    command = request.replace("http://127.0.0.1:18080", str(api.http.base_url).rstrip("/"))
    answer = json.loads(run(["bash", "-c", command], api, tmp_path))
    fields = json.loads(shown.replace(", ...", ""))
    assert answer.keys() == fields.keys() and answer["probabilities"].keys() == fields["probabilities"].keys()
    assert answer["missing"][:2] == fields["missing"]


def test_python(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    exec(example("python"), {"API": str(api.http.base_url)})
    assert re.match(r"\d+% (usual|raised|high|very high)\n", capsys.readouterr().out)


def test_javascript(api: Api, tmp_path: Path) -> None:
    script = tmp_path / "example.mjs"
    script.write_text(example("javascript"))
    assert re.match(r"0\.\d+ (usual|raised|high|very high)\n", run([str(NODE), str(script)], api, tmp_path))


def test_nightly_batch(api: Api, tmp_path: Path) -> None:
    lines = run(["bash", "-euo", "pipefail", "-c", example("bash", 1)], api, tmp_path).splitlines()
    assert len(lines) == 3 and lines[0].endswith("missing,error") and lines[1].startswith("[40-50),Male,")
    assert not (tmp_path / "scored.csv.part").exists()
