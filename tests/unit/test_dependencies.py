"""The extra `up` of pyproject.toml, which `make up` installs instead of everything."""

import ast
import sys
import tomllib
from importlib.metadata import packages_distributions, requires
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
#: Imported only where somebody asked for Airflow, Dask or CatBoost; each says in a sentence what to install.
OPTIONAL = {"airflow", "dask", "distributed", "catboost"}


def installed_by(extra: str) -> set[str]:
    """Return every distribution that an extra of ours brings, with what those need themselves."""
    names: set[str] = set()
    todo = [Requirement(text) for text in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"][extra]]]
    while todo:
        requirement = todo.pop()
        if requirement.name == "readmission":
            parts = [PROJECT["optional-dependencies"][part] for part in requirement.extras]
            todo += [Requirement(text) for part in parts for text in part]
        elif (name := requirement.name.lower().replace("_", "-")) not in names:
            names.add(name)
            extras = {"", *requirement.extras}
            needs = [Requirement(text) for text in requires(name) or []]
            todo += [r for r in needs if not r.marker or any(r.marker.evaluate({"extra": e}) for e in extras)]
    return names


def third_party(folder: Path) -> set[str]:
    """Return the packages of others that the modules of a folder import anywhere."""
    names = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.split(".")[0])
    return names - sys.stdlib_module_names - {"readmission", "serving"}


def test_make_up_installs_all_that_the_system_imports() -> None:
    distributions = packages_distributions()
    installed = installed_by("up")
    imported = third_party(ROOT / "pipelines/readmission") | third_party(ROOT / "serving")
    absent = {
        name
        for name in imported - OPTIONAL
        if not {d.lower().replace("_", "-") for d in distributions[name]} & installed
    }
    assert not absent, "add what brings these to the extra `up` or to an extra in it"
    assert "apache-airflow" not in installed, "Airflow comes with `make up AIRFLOW=1`"
