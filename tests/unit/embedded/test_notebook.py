"""JupyterLab as a part: what its folder holds, and what its kernels get."""

import json
from pathlib import Path

import nbformat
import pytest

from readmission.embedded import notebook
from readmission.embedded.components import parts
from tests.conftest import make_settings


def test_it_is_a_part_only_if_asked_for(tmp_path: Path) -> None:
    assert "notebook" not in {part.name for part in parts(make_settings(tmp_path))}
    part = parts(make_settings(tmp_path, notebook=True, notebook_port=19999))[-1]
    assert (part.name, part.port, part.port_setting) == ("notebook", 19999, "READMISSION_NOTEBOOK_PORT")
    assert parts(make_settings(tmp_path), running={"notebook"})[-1].name == "notebook"


def test_a_copy_of_each_notebook_is_made_once_and_then_left_alone(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    folder = notebook.prepare(settings)
    copies = sorted((folder / "work").glob("*.ipynb"))
    assert [copy.name for copy in copies] == sorted(source.name for source in notebook.SOURCES.glob("*.ipynb"))
    copies[0].write_text("mine")
    notebook.prepare(settings)
    assert copies[0].read_text() == "mine"
    config = json.loads((folder / "config" / "labconfig" / "page_config.json").read_text())
    assert config["disabledExtensions"] == {"@jupyterlab/apputils-extension:announcements": True}


def test_a_kernel_gets_the_analysts_password_and_no_other_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("READMISSION_POSTGRES_PASSWORD_OWNER", "not for analysts")
    settings = make_settings(tmp_path)
    variables = notebook.environment(settings, tmp_path / "notebook")
    assert variables["READMISSION_POSTGRES_PASSWORD_ANALYST"] == settings.password("analyst")
    secrets = {
        value
        for line in (tmp_path / "secrets.env").read_text().splitlines()
        if (value := line.partition("=")[2]) != settings.password("analyst")
    }
    assert not secrets & set(variables.values()) and "not for analysts" not in variables.values()
    assert Path(variables["READMISSION_HOME"]) != settings.home


def test_a_key_of_the_api_reaches_the_kernels(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, notebook_api_key="door")
    assert notebook.environment(settings, tmp_path)["READMISSION_NOTEBOOK_API_KEY"] == "door"
    assert "READMISSION_NOTEBOOK_API_KEY" not in notebook.environment(make_settings(tmp_path), tmp_path)


@pytest.mark.parametrize("path", sorted(notebook.SOURCES.glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebooks_are_valid_and_hold_no_output(path: Path) -> None:
    content = nbformat.read(path, 4)
    nbformat.validate(content)
    cells = [cell for cell in content.cells if cell.cell_type == "code"]
    assert cells and all(not cell.outputs and cell.execution_count is None for cell in cells)
    assert content.cells[0].source.startswith("# ")
