"""Faults of the network and of the stores: away, unreachable, slow."""

import time

import httpx

from faults.clients import asking
from faults.models import compile_other
from faults.observation import Fault, Observation
from faults.site import Site
from readmission import contract
from readmission.embedded import component
from readmission.polling import wait_until

#: Longer than the longest time that anything waits for the database (tcp_user_timeout and statement_timeout, 20 s).
_LONG = 45.0
#: An hour's predictions of a hospital that asks ten times a second, over many times every retry and timeout.
_HOUR_RATE, _HOUR = 180.0, 200.0

_OUTCOMES = "SELECT count(*) FROM serving.feedback WHERE prediction_id::text = ANY(%(ids)s)"


def database_away(site: Site) -> Observation:
    """Stop PostgreSQL for a minute; answers and outcomes wait on the API's disk."""
    with asking(site.api.port, 50) as clients:
        site.wait_for_stored(clients, 20)
        site.supervisor.stop("postgres")
        time.sleep(5)
        outcomes = _give_outcomes(site, clients.prefix)
        time.sleep(55)
        site.supervisor.start("postgres")
    observation = site.judge(clients)
    missing = site.settle(lambda: len(outcomes) - int(site.read(_OUTCOMES, ids=list(outcomes))[0][0]))
    problems = (f"{missing} of {len(outcomes)} acknowledged outcomes are lost",) if missing else ()
    return observation.adding(problems, lost=f"{observation.lost}, {missing} of {len(outcomes)} outcomes")


def database_away_for_an_hour(site: Site) -> Observation:
    """Stop PostgreSQL for ten times the longest timeout, while an hour's predictions of a hospital come in."""
    with asking(site.api.port, _HOUR_RATE, threads=8) as clients:
        site.supervisor.stop("postgres")
        time.sleep(_HOUR)
        site.supervisor.start("postgres")
    return site.judge(clients)


def registry_away(site: Site) -> Observation:
    """Stop MLflow, and promote as soon as it is back."""
    version = site.publish(compile_other(site.folder))
    with asking(site.api.port, 50) as clients:
        site.supervisor.stop("mlflow")
        time.sleep(10)
        site.supervisor.start("mlflow")
        _set_alias_when_back(site, version)
        site.api.wait_for_version(version, seconds=120)
        site.learn(site.api)
    return site.judge(clients)


def start_with_all_away(site: Site) -> Observation:
    """Start the API while PostgreSQL and MLflow refuse connections."""
    site.api.stop()
    site.postgres.refuse()
    site.mlflow.refuse()
    began = time.monotonic()
    site.api.start()
    ready = time.monotonic() - began
    with asking(site.api.port, 50) as clients:
        time.sleep(5)
        status = httpx.get(f"{site.api.url}/health", timeout=10).json()["status"]
        site.postgres.accept()
        site.mlflow.accept()
    judged = site.judge(clients)
    saw = f"ready {ready:.1f} s after the start, {judged.saw}, /health says “{status}”"
    return judged.adding(saw=saw)


def partition(site: Site) -> Observation:
    """Drop every packet between the API and both stores, for longer than any timeout."""
    with asking(site.api.port, 50) as clients:
        site.wait_for_stored(clients, 20)
        site.postgres.dropping = site.mlflow.dropping = True
        time.sleep(_LONG)
        site.postgres.dropping = site.mlflow.dropping = False
    return site.judge(clients)


def slow_network(site: Site) -> Observation:
    """Delay every packet by 200 ms and let 50 kB pass in a second, while a new version is promoted."""
    version = site.publish(compile_other(site.folder))
    with asking(site.api.port, 20) as clients:
        for proxy in (site.postgres, site.mlflow):
            proxy.delay, proxy.bytes_per_second = 0.2, 50_000
        site.set_alias(version)
        began = time.monotonic()
        site.api.wait_for_version(version, seconds=120)
        took = time.monotonic() - began
        site.learn(site.api)
        for proxy in (site.postgres, site.mlflow):
            proxy.accept()
    judged = site.judge(clients)
    saw = f"{judged.saw}; the new version came after {took:.0f} s"
    return judged.adding(saw=saw)


def _give_outcomes(site: Site, prefix: str) -> dict[str, str]:
    """Report outcomes while the database is away; return those that were acknowledged."""
    answer = httpx.post(f"{site.api.url}/predict", json=dict(contract.EXAMPLE), timeout=10).json()
    identity = answer["prediction_id"]
    body = [{"prediction_id": identity, "outcome": contract.CLASSES[0]}]
    states = httpx.post(f"{site.api.url}/feedback", json=body, timeout=30).json()
    return {identity: contract.CLASSES[0]} if states.get("recorded", 0) + states.get("pending", 0) else {}


def _set_alias_when_back(site: Site, version: str) -> None:
    health = component.answers(f"{site.settings.mlflow.tracking_uri}/health")
    wait_until(health, seconds=90, failure="MLflow did not answer within 90 s.")
    site.set_alias(version)


FAULTS = (
    Fault(name="database away for 60 s", inject=database_away),
    Fault(name="database away for an hour's predictions (36,000 in 200 s)", inject=database_away_for_an_hour),
    Fault(name="MLflow away, then a promotion", inject=registry_away),
    Fault(name="API started while PostgreSQL and MLflow are away", inject=start_with_all_away, quick=True),
    Fault(name="network partition between API and stores, 45 s", inject=partition),
    Fault(name="slow network to the stores, during a promotion", inject=slow_network),
)
