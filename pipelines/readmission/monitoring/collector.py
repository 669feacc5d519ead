"""Collector of the metrics of the database and of the health of the other services, for Prometheus."""

import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

import httpx
import psycopg2
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from readmission.errors import UserError
from readmission.monitoring.queries import QUERIES, Query
from readmission.registry.aliases import RegistryError, find_champion
from readmission.settings import Role, Settings
from readmission.stores import postgres

log = logging.getLogger(__name__)

#: What the collector measures itself: name -> (meaning, labels).
OWN = {
    "readmission_exporter_database_up": ("1 when the database answered the last scrape.", ()),
    "readmission_exporter_scrape_duration_seconds": ("Time of the queries of the last scrape.", ()),
    "readmission_champion_read_timestamp_seconds": (
        "When the alias champion was last read from MLflow; until the next time the champion metrics show that answer.",
        (),
    ),
    "readmission_service_up": ("1 when a service answers its health page.", ("service",)),
    "readmission_service_answer_seconds": ("Time of that answer.", ("service",)),
    "readmission_certificate_expiry_timestamp_seconds": (
        "When the TLS certificate of a service ends; only for https.",
        ("service",),
    ),
}


class DatabaseCollector(Collector):
    """Collector that queries the database at a scrape, at most once every `every` seconds, whoever scrapes."""

    def __init__(self, settings: Settings, every: float = 5.0) -> None:
        self._settings, self._every = settings, every
        self._lock = threading.Lock()
        self._metrics: list[Metric] = []
        self._collected_at = float("-inf")
        self._champion: str | None = None
        self._champion_read_at: float | None = None

    def describe(self) -> Iterable[Metric]:
        """Return nothing: registering must not need the database."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Return every available metric; if the database does not answer, only those that say so."""
        with self._lock:
            if time.monotonic() - self._collected_at >= self._every:
                self._read_champion()
                self._metrics = [*self._database(), *self._services()]
                self._collected_at = time.monotonic()
            return list(self._metrics)

    def _read_champion(self) -> None:
        """Read the champion from MLflow. If it does not answer, the last one stays, and its age is a metric."""
        try:
            self._champion = find_champion(self._settings, timeout=2)
            self._champion_read_at = time.time()
        except RegistryError as error:
            log.warning("the champion cannot be read: %s", error)

    def _database(self) -> Iterator[Metric]:
        began, metrics, up = time.monotonic(), list[Metric](), 1.0
        arguments = {"model_name": self._settings.mlflow.model_name, "champion": self._champion}
        try:
            with postgres.transaction(self._settings, _role(self._settings)) as cursor:
                # All queries read one snapshot, and none may delay a scrape.
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                cursor.execute("SET LOCAL statement_timeout = '5s'")
                for query in QUERIES:
                    if query.needs_champion and self._champion_read_at is None:
                        continue  # a champion that cannot be read is not the same as none
                    cursor.execute(query.sql, arguments)
                    metrics.append(_family(query, cursor.fetchall()))
        except (UserError, psycopg2.Error) as error:
            log.warning("the database cannot be asked: %s", str(error).strip().splitlines()[0])
            metrics, up = [], 0.0
        yield from metrics
        yield _own("readmission_exporter_database_up", [((), up)])
        yield _own("readmission_exporter_scrape_duration_seconds", [((), time.monotonic() - began)])

    def _services(self) -> Iterator[Metric]:
        pages = {
            "mlflow": f"{self._settings.mlflow.tracking_uri}/health",
            "api": f"{self._settings.api.base_url}/readyz",
        }
        up: Samples = []
        seconds: Samples = []
        ends: Samples = []
        for service, url in pages.items():
            began = time.monotonic()
            up.append(((service,), float(_answers(url))))
            seconds.append(((service,), time.monotonic() - began))
            if url.startswith("https://") and (end := certificate_end(url)):
                ends.append(((service,), end))
        if self._champion_read_at is not None:
            yield _own("readmission_champion_read_timestamp_seconds", [((), self._champion_read_at)])
        yield _own("readmission_service_up", up)
        yield _own("readmission_service_answer_seconds", seconds)
        yield _own("readmission_certificate_expiry_timestamp_seconds", ends)


Samples = list[tuple[tuple[str, ...], float]]


def _role(settings: Settings) -> Role:
    """Return the exporter's own role, or `monitor`, which may read its views, while it has no password."""
    return "monitor" if settings.postgres.password_exporter is None else "exporter"


def _own(name: str, samples: Samples) -> Metric:
    text, labels = OWN[name]
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, number in samples:
        family.add_metric(values, number)
    return family


def _family(query: Query, rows: list[tuple[object, ...]]) -> Metric:
    kind = CounterMetricFamily if query.kind == "counter" else GaugeMetricFamily
    family = kind(query.name.removesuffix("_total"), query.text, labels=query.labels)
    for *labels, number in rows:
        if number is not None:
            family.add_metric([str(label) for label in labels], float(str(number)))
    return family


def _answers(url: str) -> bool:
    try:
        # Another metric shows whether the certificate is valid.
        return httpx.get(url, timeout=2, verify=False).status_code == 200  # noqa: S501
    except httpx.HTTPError:
        return False


def certificate_end(url: str) -> float | None:
    """Return when the certificate of an https URL ends, in seconds since 1970; None if it cannot be read."""
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 443), timeout=2) as connection:
            context = ssl.create_default_context()
            with context.wrap_socket(connection, server_hostname=parts.hostname) as secure:
                return float(ssl.cert_time_to_seconds(str((secure.getpeercert() or {})["notAfter"])))
    except (OSError, KeyError, ValueError):
        return None
