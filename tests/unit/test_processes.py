"""What a process reads and loads: the environment, one version, no heavy library that it does not need."""

import re
import subprocess
import sys
import tomllib

from tests.unit.sources import ROOT, sources

#: Modules that use the variables of the process, and for what. Settings come from `readmission.settings` alone.
USE_THE_ENVIRONMENT = {
    "pipelines/readmission/settings/__init__.py": "reads the settings",
    "pipelines/readmission/cli.py": "switches a library's telemetry off",
    "pipelines/readmission/backup/drill_system.py": "variables of a system of its own",
    "pipelines/readmission/backup/programs.py": "variables of a program",
    "pipelines/readmission/embedded/airflow.py": "variables of a program",
    "pipelines/readmission/embedded/mlflow.py": "variables of a program",
    "pipelines/readmission/embedded/notebook.py": "variables of a program",
    "pipelines/readmission/embedded/supervisor.py": "variables of a program",
    "pipelines/readmission/registry/garbage.py": "variables of a program",
    "serving/demo/__main__.py": "tells Gradio its folder",
    "serving/handover.py": "learns from the program that started it whose place it takes",
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


def test_only_settings_reads_the_environment() -> None:
    users = {
        path.relative_to(ROOT).as_posix() for path in sources() if re.search(r"\benviron\b|getenv", path.read_text())
    }
    assert users == set(USE_THE_ENVIRONMENT), "read a setting instead, or say in USE_THE_ENVIRONMENT what it is for"


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
