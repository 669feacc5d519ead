"""Monitoring in the embedded system: the exporter, Prometheus when its program is there, and a status page."""

import logging
import shutil
import sys
from pathlib import Path
from typing import Any

import yaml

from readmission.embedded.component import Part, answers, bound
from readmission.errors import UserError
from readmission.settings import Settings

log = logging.getLogger(__name__)

#: The rules and dashboards of the chart: the same on both ways of running the system.
CHART = Path(__file__).parents[3] / "charts" / "observability"
#: What to do when an alert fires; the status page serves them.
RUNBOOKS = Path(__file__).parents[3] / "docs" / "runbooks"


def parts(settings: Settings) -> list[Part]:
    """List the exporter, Prometheus (if its program is there) and the status page.

    Raises:
        UserError: the package is installed without the repository's charts, so there are no rules.
    """
    python = [*bound(), sys.executable, "-m"]
    exporter = f"http://127.0.0.1:{settings.exporter_port}"
    found = [
        Part(
            "exporter", [*python, "readmission.cli", "exporter"], f"{exporter}/metrics",
            settings.exporter_host, settings.exporter_port, "READMISSION_EXPORTER_PORT", answers(f"{exporter}/metrics"),
        )
    ]  # fmt: skip
    program = shutil.which(settings.prometheus_command)
    if program is None:
        log.warning(
            "There is no program %r: metrics are exposed, but nothing collects them. Install Prometheus (3.x) or"
            " name its program by READMISSION_PROMETHEUS_COMMAND.", settings.prometheus_command,
        )  # fmt: skip
        return found
    if not (CHART / "rules").is_dir():
        raise UserError(f"The rules of Prometheus are not at {CHART}: run the embedded system from a checkout.")
    place = f"127.0.0.1:{settings.prometheus_port}"
    folder = settings.home / "prometheus"
    board = f"http://127.0.0.1:{settings.board_port}"
    found += [
        Part(
            "prometheus",
            [*bound(), program, f"--config.file={configure(settings)}", f"--storage.tsdb.path={folder / 'data'}",
             f"--web.listen-address={place}", "--storage.tsdb.retention.time=30d"],
            f"http://{place}", "127.0.0.1", settings.prometheus_port, "READMISSION_PROMETHEUS_PORT",
            answers(f"http://{place}/-/ready"),
        ),
        Part(
            "board", [*python, "readmission.embedded.status_page"], board, "127.0.0.1", settings.board_port,
            "READMISSION_BOARD_PORT", answers(f"{board}/health"),
        ),
    ]  # fmt: skip
    return found


def configure(settings: Settings) -> Path:
    """Write Prometheus' configuration below the state folder and return its path."""
    targets = {
        "readmission-inference": settings.api_port,
        "readmission-demo": settings.ui_port,
        "readmission-mlflow": settings.mlflow_port,
        "readmission-observability": settings.exporter_port,
        **({"readmission-feed": settings.feed_port} if settings.airflow else {}),
    }
    content: dict[str, Any] = {
        "global": {"scrape_interval": "5s", "evaluation_interval": "15s"},
        "rule_files": [str(_linked(settings) / "*.yaml")],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]} for job, port in targets.items()
        ],
    }
    path = settings.home / "prometheus" / "prometheus.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def _linked(settings: Settings) -> Path:
    """Copy the rules, their runbooks at the status page; return the folder."""
    folder = settings.home / "prometheus" / "rules"
    folder.mkdir(parents=True, exist_ok=True)
    for path in (CHART / "rules").glob("*.yaml"):
        text = path.read_text().replace("docs/runbooks/", f"http://127.0.0.1:{settings.board_port}/runbooks/")
        (folder / path.name).write_text(text)
    return folder
