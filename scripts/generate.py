"""Write every generated file: `make generate`. With `--check`, name the stale ones and fail: part of `make check`.

Rules and dashboards of the observability chart, the program that the chart `mlflow` runs, schemas and READMEs of the
charts, the version in charts and values, the table of docs/settings.md, the diagram of docs/architecture.md.
"""

import argparse
import sys
from pathlib import Path

import chart_docs
import dashboards
import layering
import slo_rules

from readmission.steps import settings

ROOT = Path(__file__).parents[1]


def settings_page() -> dict[str, str]:
    """Return docs/settings.md, whose table ends the page: path in the repository -> content."""
    path = "docs/settings.md"
    text, _, _ = (ROOT / path).read_text().partition("| variable")
    return {path: f"{text}{settings.table()}\n"}


def mlflow_program() -> dict[str, str]:
    """Return the copy of the package's module that runs in MLflow's image: path in the repository -> content."""
    return {"charts/mlflow/files/garbage.py": (ROOT / "pipelines/readmission/registry/garbage.py").read_text()}


def stale() -> dict[str, str]:
    """Return the generated files that differ from what is on disk: path in the repository -> content."""
    files = slo_rules.files() | dashboards.files() | chart_docs.files() | settings_page() | layering.files()
    files |= mlflow_program()
    return {
        path: content
        for path, content in files.items()
        if not (ROOT / path).is_file() or (ROOT / path).read_text() != content
    }


def main() -> int:
    """Write the stale files, or with `--check` list them; return 1 if `--check` finds any."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is stale")
    check = parser.parse_args().check
    files = stale()
    for path, content in files.items():
        if check:
            print(f"{path} is stale: run `make generate`.")
        else:
            (ROOT / path).write_text(content)
            print(f"wrote {path}")
    return 1 if check and files else 0


if __name__ == "__main__":
    sys.exit(main())
