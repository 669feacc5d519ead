"""Install the system on the current cluster, prove that it works, remove it: `make e2e`. See README.md here."""

import os
import time
from collections.abc import Callable

import alerts
import backups
import beside
import chains
import changes
import doors
import environments
import erasure
import failover
import foreign
import install
import keep
import logins
import observed
import printed
import proofs
import rotation
import spool
import sqlpage
import workers
import workplace
from cluster import Report

Prove = Callable[..., bool]


def bring_up(prove: Prove, skip: set[str]) -> None:
    """Install everything, up to the first prediction; the first few proofs are required by all others."""
    prove("cluster", install.versions, required=True)
    if "images" not in skip:
        prove("build and load the images", install.build_images, required=True)
    prove("what others have on this cluster", foreign.move_in, required=True)
    prove("what is there before", proofs.remember, required=True)
    prove("make preflight, as printed", printed.preflight)
    if "environments" not in skip:
        prove("the API server takes staging, prod and offline", environments.accepted)
    began = time.monotonic()
    prove("namespaces, policies, credentials", install.foundation, required=True)
    prove("what the operator of the cluster does", install.prepare, required=True)
    prove("helmfile sync of everything, as printed", install.everything, required=True)
    prove("the feed waits for its data, which arrives", install.upload, required=True)
    prove("Airflow: batch 1 to a champion, by pods", chains.first_chain)
    if prove("first prediction through the Service", install.first_prediction):
        took = time.monotonic() - began
        prove("install to first prediction", lambda: install.soon(took))
    prove("what others have is untouched by the install", foreign.unchanged)


def rules(prove: Prove) -> None:
    """Prove what must hold of any installation."""
    prove("every replica serves the champion", install.replicas)
    prove("helm test", proofs.helm_tests)
    prove("Prometheus: targets and rules", proofs.targets)
    prove("the exporter's role sees figures and no row", proofs.figures_alone)
    prove("NetworkPolicies", proofs.policies)
    prove("Pod Security", proofs.pod_security)


def pipeline(prove: Prove) -> None:
    """Prove what Airflow does when pods are lost and people asked, and that it is seen."""
    prove("Airflow: batch 2, a pod of each step lost", chains.second_chain)
    prove("the tables after it", chains.tables)
    prove("every replica serves the champion", install.replicas)
    prove("Airflow: a promotion that a person approves", chains.approval)
    prove("Airflow: old logs and runs go", chains.forgets)
    prove("Prometheus: Airflow's own metrics", observed.airflow_metrics)
    prove("traces of a prediction and of a step", observed.traced)
    prove("dashboards: what only a cluster can fill", observed.dashboards)


def upgrades(prove: Prove) -> None:
    """Prove that syncs, updates and load change what they should and nothing else."""
    prove("helmfile sync twice changes nothing", changes.idempotent)
    prove("update of the API under requests", changes.rolling_restart)
    prove("an update to an image that does not exist", changes.broken_image)
    prove("API keys: none, a foreign one, a new one", doors.locked)
    prove("upgrade with changed values", changes.upgrade)
    prove("the HPA adds replicas under load", changes.scaling)
    prove("every replica serves the champion", install.replicas)
    prove("back to the values before", changes.calm)
    prove("every password made anew under requests", rotation.rotated)
    if prove("every page behind a log-in", logins.opened):
        prove("an approval by the approver alone, with the person's name", logins.approved)
    prove("the log-in goes, and with it every address", logins.closed)
    if changes.has_keda():
        prove("KEDA adds replicas by requests per second", changes.scaling_by_requests)
        prove("back to the values before", changes.calm)
    prove("what others have is untouched by upgrades", foreign.unchanged)


def neighbours(prove: Prove) -> None:
    """Prove what can be installed beside the system."""
    prove("each chart alone, by the line of its README", beside.alone)
    prove("a second system beside it, from its manifests", beside.second)
    prove("a second apply of the manifests changes nothing", beside.applied_again)
    prove("the second system goes, the first stays", beside.second_gone)
    prove("a load test as a release", beside.load)
    prove("a batch on Dask, a worker killed", workers.batch)
    prove("JupyterLab, and its notebooks", workplace.opened)
    prove("pgAdmin, connected as the analyst", sqlpage.opened)
    prove("back to the values before", changes.calm)


def without_database(prove: Prove) -> None:
    """Prove what is survived while the only server of the database is gone."""
    namespace, database = os.environ.get("E2E_POSTGRES", "readmission-data/postgres").split("/")
    prove("Postgres pod killed", lambda: changes.killed("statefulset", database, namespace, "postgres"))
    prove("a webhook for Alertmanager", alerts.listen)
    prove("database gone: the alert reaches the webhook", lambda: alerts.database_gone(namespace, database))
    alerts.forget()
    prove("database away: rollout, drain, kill, scale-down", lambda: spool.kept(namespace, database))
    prove("database away: a full spool evicts no pod", lambda: spool.filled(namespace, database))


def losses(prove: Prove) -> None:
    """Prove what is survived, and that somebody is told."""
    prove("API pod killed", lambda: changes.killed("deployment", "readmission-inference", "readmission", "api"))
    prove("MLflow pod killed", lambda: changes.killed("deployment", "readmission-mlflow", "readmission", "mlflow"))
    if failover.operated():
        prove("the database's primary killed: a standby takes over", failover.failed_over)
    else:
        without_database(prove)
    prove("a backup by the Job of the CronJob", backups.saved)
    prove("rows and models deleted, everything restored", backups.restored)
    prove("runs deleted in MLflow go for good", backups.collected)
    prove("a patient erased by a pod of the cluster", erasure.erased)
    prove("a prediction after all that", install.first_prediction)


def main() -> None:
    """Run the proofs in order; one that does not hold leaves the others to be tried."""
    report = Report()
    skip = set(os.environ.get("E2E_SKIP", "").split())
    bring_up(report.prove, skip)
    for group in (rules, pipeline, upgrades, neighbours, losses):
        if group.__name__ not in skip:
            group(report.prove)
    if "destroy" not in skip:
        report.prove("an object store that becomes external keeps its volume", changes.external_store)
        report.prove("destroy with keepNamespaces, and back", keep.destroyed_and_back)
        report.prove("helmfile destroy", proofs.destroy)
        report.prove("what others have is untouched by the destroy", foreign.unchanged)
        foreign.move_out()
        if "foreign" not in skip:
            report.prove("releases of others under names of ours", foreign.untouched)
    report.finish()


if __name__ == "__main__":
    main()
