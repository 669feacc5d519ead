"""Monitoring of the embedded system: exporter, Prometheus if it is installed, status page."""

import shutil
import sys
from pathlib import Path
from typing import Any

import yaml

from readmission.embedded.component import Part, answers, bound
from readmission.errors import UserError
from readmission.settings import Settings

#: The rules and dashboards of the chart: the same on both ways of running the system.
CHART = Path(__file__).parents[3] / "charts" / "observability"
#: What to do when an alert fires. The status page serves them.
RUNBOOKS = Path(__file__).parents[3] / "docs" / "runbooks"


def parts(settings: Settings) -> list[Part]:
    """List the exporter, the status page and, if it is installed, Prometheus.

    Raises:
        UserError: The package is installed without the repository's charts, so there are no rules.
    """
    program = shutil.which(settings.monitoring.prometheus_command)
    if program is None:
        return [_exporter(settings), _status_page(settings)]
    if not (CHART / "rules").is_dir():
        raise UserError(f"Prometheus needs the rules in {CHART}: run the embedded system from a checkout.")
    return [_exporter(settings), _prometheus(settings, program), _status_page(settings)]


def advice(settings: Settings) -> str:
    """Say how to get Prometheus; empty if it is installed."""
    command = settings.monitoring.prometheus_command
    if shutil.which(command) is not None:
        return ""
    return (
        f"Prometheus ({command!r}) is not installed, so there is no history and no alert: the status page shows what "
        "the exporter has now. Install Prometheus 3.x, as a package of your system or its release, or set "
        "READMISSION_PROMETHEUS_COMMAND to its path, and start again."
    )


def _exporter(settings: Settings) -> Part:
    url = f"http://127.0.0.1:{settings.monitoring.exporter_port}"
    return Part(
        name="exporter",
        command=[*bound(), sys.executable, "-m", "readmission.cli", "exporter"],
        url=f"{url}/metrics",
        host=settings.monitoring.exporter_host,
        port=settings.monitoring.exporter_port,
        port_setting="READMISSION_EXPORTER_PORT",
        healthy=answers(f"{url}/metrics"),
    )


def _prometheus(settings: Settings, program: str) -> Part:
    address = f"127.0.0.1:{settings.monitoring.prometheus_port}"
    return Part(
        name="prometheus",
        command=[
            *bound(),
            program,
            f"--config.file={configure(settings)}",
            f"--storage.tsdb.path={settings.home / 'prometheus' / 'data'}",
            f"--web.listen-address={address}",
            "--storage.tsdb.retention.time=30d",
        ],
        url=f"http://{address}",
        host="127.0.0.1",
        port=settings.monitoring.prometheus_port,
        port_setting="READMISSION_PROMETHEUS_PORT",
        healthy=answers(f"http://{address}/-/ready"),
    )


def _status_page(settings: Settings) -> Part:
    url = f"http://127.0.0.1:{settings.monitoring.status_page_port}"
    return Part(
        name="board",
        command=[*bound(), sys.executable, "-m", "readmission.embedded.status_page"],
        url=url,
        host="127.0.0.1",
        port=settings.monitoring.status_page_port,
        port_setting="READMISSION_BOARD_PORT",
        healthy=answers(f"{url}/health"),
    )


def configure(settings: Settings) -> Path:
    """Write Prometheus' configuration below the state folder and return its path."""
    targets = {
        "readmission-inference": settings.api.port,
        "readmission-demo": settings.demo.port,
        "readmission-mlflow": settings.mlflow.port,
        "readmission-observability": settings.monitoring.exporter_port,
        **({"readmission-feed": settings.feed.port} if settings.airflow.enabled else {}),
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
    """Copy the rules with links to the status page's runbooks; return the folder."""
    folder = settings.home / "prometheus" / "rules"
    folder.mkdir(parents=True, exist_ok=True)
    for path in (CHART / "rules").glob("*.yaml"):
        text = path.read_text().replace(
            "docs/runbooks/", f"http://127.0.0.1:{settings.monitoring.status_page_port}/runbooks/"
        )
        (folder / path.name).write_text(text)
    return folder
