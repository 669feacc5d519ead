"""Install the system on the current cluster, prove that it works, remove it: `make e2e`. See README.md here."""

import os
import time

import alerts
import chains
import changes
import install
import proofs
from cluster import Report


def bring_up(report: Report, skip: set[str]) -> None:
    """Install everything, up to the first prediction; the first few proofs are required by all others."""
    prove = report.prove
    prove("cluster", install.versions, required=True)
    if "images" not in skip:
        prove("build and load the images", install.build_images, required=True)
    prove("what is there before", proofs.remember, required=True)
    began = time.monotonic()
    prove("namespaces, policies, credentials", install.foundation, required=True)
    prove("what the operator of the cluster does", install.prepare, required=True)
    prove("object store, and the data in it", install.upload, required=True)
    prove("helmfile sync of everything", install.everything)
    prove("Airflow: batch 1 to a champion, by pods", chains.first_chain)
    prove("first prediction through the Service", install.first_prediction)
    took = time.monotonic() - began
    prove("install to first prediction", lambda: f"{took:.0f} s (goal: 600 s)")


def main() -> None:
    """Run the proofs in order; one that does not hold leaves the others to be tried."""
    report = Report()
    skip = set(os.environ.get("E2E_SKIP", "").split())
    prove = report.prove
    database = os.environ.get("E2E_POSTGRES", "readmission-data/postgres").split("/")
    bring_up(report, skip)
    prove("every replica serves the champion", install.replicas)
    prove("helm test", proofs.helm_tests)
    prove("Prometheus: targets and rules", proofs.targets)
    prove("NetworkPolicies", proofs.policies)
    prove("Pod Security", proofs.pod_security)
    prove("Airflow: batch 2, with pods lost in process and train", chains.second_chain)
    prove("the tables after it", chains.tables)
    prove("every replica serves the champion", install.replicas)
    prove("Airflow: a promotion that a person approves", chains.approval)
    prove("helmfile sync twice changes nothing", changes.idempotent)
    prove("update of the API under requests", changes.rolling_restart)
    prove("upgrade with changed values", changes.upgrade)
    prove("the HPA adds replicas under load", changes.scaling)
    prove("every replica serves the champion", install.replicas)
    prove("back to the values before", changes.calm)
    prove("API pod killed", lambda: changes.killed("deployment", "readmission-inference", "readmission", "api"))
    prove("MLflow pod killed", lambda: changes.killed("deployment", "readmission-mlflow", "readmission", "mlflow"))
    prove("Postgres pod killed", lambda: changes.killed("statefulset", database[1], database[0], "postgres"))
    prove("a webhook for Alertmanager", alerts.listen)
    prove("database gone: the alert reaches the webhook", lambda: alerts.database_gone(*database))
    alerts.forget()
    prove("a prediction after all that", install.first_prediction)
    if "destroy" not in skip:
        prove("helmfile destroy", proofs.destroy)
    report.finish()


if __name__ == "__main__":
    main()
