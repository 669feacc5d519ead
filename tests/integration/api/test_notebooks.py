"""The notebooks of the workplace, executed as an analyst against a running system; and JupyterLab itself."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import nbformat
import pytest
from nbclient import NotebookClient

from readmission.embedded import notebook
from readmission.settings import Settings
from readmission.steps import ingest, process, train
from tests.conftest import free_port
from tests.integration.api.tools import Starter, install, until


@pytest.fixture
def filled(start: Starter, database: Settings, compiled: dict[str, Path], sample: Path, mlflow_server: str) -> Settings:
    """Give the settings of a system with data, a trained family and an API."""
    settings = database.replace(mlflow_uri=mlflow_server, experiment="test_notebooks", model_name="model_notebooks")
    ingest.run(settings, source=str(sample))
    process.run(settings)
    train.run(settings, families="logistic_regression")
    install(database.home, compiled["lightgbm"], "1")
    api = start().wait("/readyz")
    return settings.replace(api_port=api.port)


def test_every_notebook_runs_as_an_analyst(filled: Settings, tmp_path: Path) -> None:
    folder = notebook.prepare(filled.replace(home=tmp_path))
    variables = notebook.environment(filled, folder)
    shown = {}
    for path in sorted((folder / "work").glob("*.ipynb")):
        content = nbformat.read(path, 4)
        client = NotebookClient(content, timeout=120, kernel_name="python3")
        client.execute(env=variables)
        outputs = [output for cell in content.cells for output in cell.get("outputs", ())]
        shown[path.stem] = "\n".join(str(o.get("data", {}).get("text/plain", o.get("text", ""))) for o in outputs)
    assert list(shown) == ["1-explore-the-data", "2-train-and-compare", "3-follow-one-patient"]
    assert "came back within 30 days" in shown["1-explore-the-data"]
    assert "boosting" in shown["2-train-and-compare"] and "logistic_regression" in shown["2-train-and-compare"]
    assert "risk_band" in shown["3-follow-one-patient"] and "'errors': []" in shown["3-follow-one-patient"]


@pytest.fixture
def jupyterlab(database: Settings, tmp_path: Path) -> Iterator[httpx.Client]:
    """Run JupyterLab with the token `secret`."""
    port = free_port()
    variables = {
        "READMISSION_HOME": str(tmp_path),
        "READMISSION_NOTEBOOK_PORT": str(port),
        "READMISSION_NOTEBOOK_TOKEN": "secret",
        "READMISSION_POSTGRES_PASSWORD_ANALYST": database.password("analyst"),
    }
    process = subprocess.Popen([sys.executable, "-m", "readmission.embedded.notebook"], env=os.environ | variables)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=20) as client:
        until(lambda: client.get("/api").status_code == 200, 90)
        yield client
    process.terminate()
    process.wait(20)


def test_jupyterlab_asks_for_its_token_and_shows_the_notebooks(jupyterlab: httpx.Client) -> None:
    assert jupyterlab.get("/api/contents").status_code == 403
    assert jupyterlab.post("/api/kernels").status_code == 403
    headers = {"authorization": "token secret"}
    listed = jupyterlab.get("/api/contents", headers=headers).raise_for_status().json()["content"]
    assert {entry["name"] for entry in listed} == {path.name for path in notebook.SOURCES.glob("*.ipynb")}
    page = jupyterlab.get("/lab", headers=headers)
    assert page.status_code == 200 and "apputils-extension:announcements" in page.text
