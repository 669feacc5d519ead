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

#: module or folder of the package -> what of the project it may import (beside itself).
ALLOWED: dict[str, set[str]] = {
    "codes": set(),
    "errors": set(),
    "icd9": set(),
    "contract": {"codes"},
    "validation": {"contract", "codes"},
    "settings": {"errors"},
    "sources": {"contract", "errors", "settings", "stores"},
    "feed": {"errors", "settings", "sources"},
    "sample": {"codes", "contract", "settings", "sources"},
    "stores": {"errors", "settings"},
    "snapshots": {"errors", "history", "settings", "stores"},
    "engine": {
        "errors",
        "evaluation",
        "features",
        "history",
        "models",
        "settings",
        "snapshots",
        "stores",
        "training",
        "visits",
    },
    "migrations": set(),
    "scorer": {"contract", "errors", "features", "history", "icd9", "models", "visits"},
    "visits": set(),
    "history": {"contract", "features", "icd9", "visits"},
    "client": set(),
    "drift": {"contract", "icd9"},
}
PURE = {
    "contract",
    "codes",
    "icd9",
    "validation",
    "features",
    "models",
    "evaluation",
    "drift",
    "history",
    "visits",
    "references",
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


def inside(path: Path) -> set[str]:
    """Return the first-level modules of the package that a file imports."""
    return {name.split(".")[1] for name in imported(path) if name.startswith("readmission.")}


def sources() -> list[Path]:
    folders = (PACKAGE, ROOT / "serving", ROOT / "loadtest")
    return [path for folder in folders for path in sorted(folder.rglob("*.py"))]


@pytest.mark.parametrize("name", ALLOWED)
def test_the_inner_modules_import_only_what_the_table_allows(name: str) -> None:
    place = PACKAGE / name if (PACKAGE / name).is_dir() else PACKAGE / f"{name}.py"
    for path in place.rglob("*.py") if place.is_dir() else [place]:
        assert inside(path) <= ALLOWED[name] | {name}, path


def test_no_step_imports_another() -> None:
    for path in (PACKAGE / "steps").glob("*.py"):
        others = {n for n in imported(path) if n.startswith("readmission.steps.")}
        assert not others, f"{path.name} imports {others}"


def test_nothing_points_back() -> None:
    for path in PACKAGE.rglob("*.py"):
        names = {name.split(".")[0] for name in imported(path)}
        assert not names & {"serving", "loadtest"}, path
        if path.parent.name == "steps" or path.stem in ALLOWED:
            assert "cli" not in inside(path), path
    for path in (ROOT / "serving").rglob("*.py"):
        assert not inside(path) & {"steps", "embedded", "cli"}, path


def test_pure_modules_touch_no_store() -> None:
    for name in PURE:
        path = PACKAGE / f"{name}.py"
        if path.exists():
            assert not inside(path) & {"stores", "settings", "steps"}, path
            assert not {n.split(".")[0] for n in imported(path)} & {"psycopg2", "mlflow", "boto3", "httpx"}, path


def test_only_settings_reads_the_environment() -> None:
    readers = {
        path.relative_to(ROOT).as_posix()
        for path in sources()
        if re.search(r"os\.environ(\.get|\[)|os\.getenv|getenv\(", path.read_text())
    }
    assert readers <= {"pipelines/readmission/settings.py"}, readers


def test_modules_stay_small() -> None:
    long = {p.relative_to(ROOT).as_posix(): n for p in sources() if (n := len(p.read_text().splitlines())) > 250}
    # The initial migration is one list of tables; splitting it would hide their relations.
    assert not set(long) - {"pipelines/readmission/migrations/versions/0001_initial.py"}, long


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
