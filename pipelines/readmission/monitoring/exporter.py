"""Exporter of the metrics of the database, for Prometheus."""

import logging
import threading

from prometheus_client import CollectorRegistry, start_http_server

from readmission.errors import UserError
from readmission.monitoring.collector import DatabaseCollector
from readmission.settings import Settings

log = logging.getLogger(__name__)


def run(settings: Settings) -> None:
    """Serve the metrics of what only the database knows, on GET /metrics, until it is stopped.

    Raises:
        UserError: The port cannot be used.
    """
    registry = CollectorRegistry()
    registry.register(DatabaseCollector(settings))
    address = f"{settings.monitoring.exporter_host}:{settings.monitoring.exporter_port}"
    try:
        start_http_server(settings.monitoring.exporter_port, settings.monitoring.exporter_host, registry)
    except OSError as error:
        raise UserError(
            f"The exporter cannot listen on {address} ({error.strerror}): choose another READMISSION_EXPORTER_PORT."
        ) from error
    log.info("metrics on http://%s/metrics", address)
    threading.Event().wait()
