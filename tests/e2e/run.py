"""Install the system on the current cluster, prove that it works, remove it: `make e2e`. See README.md here."""

import os
import time

import install
import proofs
from cluster import Report


def main() -> None:
    """Run the proofs in order; the first few are required by all others."""
    report = Report()
    skip = set(os.environ.get("E2E_SKIP", "").split())
    prove = report.prove
    prove("cluster", install.versions, required=True)
    if "images" not in skip:
        prove("build and load the images", install.build_images, required=True)
    began = time.monotonic()
    prove("namespaces, policies, credentials", install.foundation, required=True)
    prove("what the operator of the cluster does", install.prepare, required=True)
    prove("object store, and the data in it", install.upload, required=True)
    prove("helmfile sync of everything", install.everything, required=True)
    prove("Airflow: batch 1 to a champion, by pods", install.first_chain, required=True)
    prove("first prediction through the Service", install.first_prediction, required=True)
    took = time.monotonic() - began
    prove("install to first prediction", lambda: f"{took:.0f} s (goal: 600 s)")
    prove("every replica serves the champion", install.replicas)
    prove("helm test", proofs.helm_tests)
    prove("Prometheus: targets and rules", proofs.targets)
    prove("NetworkPolicies", proofs.policies)
    prove("Pod Security", proofs.pod_security)
    prove("Airflow: batch 2, retrained and judged", install.second_chain)
    prove("what the database holds", install.batches)
    prove("every replica serves the champion", install.replicas)
    prove("helmfile sync twice changes nothing", proofs.idempotent)
    prove("update of the API under requests", proofs.rolling_restart)
    prove("upgrade with changed values", proofs.upgrade)
    prove("the HPA adds replicas under load", proofs.scaling)
    prove("every replica serves the champion", install.replicas)
    prove("back to the values before", proofs.calm)
    prove("API pod killed", lambda: proofs.killed("deployment", "readmission-inference", "readmission", "api"))
    prove("MLflow pod killed", lambda: proofs.killed("deployment", "readmission-mlflow", "readmission", "mlflow"))
    database = os.environ.get("E2E_POSTGRES", "readmission-data/postgres").split("/")
    prove("Postgres pod killed", lambda: proofs.killed("statefulset", database[1], database[0], "postgres"))
    prove("a prediction after all that", proofs.predicts)
    if "destroy" not in skip:
        prove("helmfile destroy", proofs.destroy)
    report.finish()


if __name__ == "__main__":
    main()
