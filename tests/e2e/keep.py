"""What `keepNamespaces` keeps: everything is destroyed and installed again, and nothing was lost."""

import time

from backups import answers
from cluster import ProofError, helmfile, kubectl, objects, run, secret
from install import VALUES, batches, champion, sql

_ROWS = "SELECT (SELECT count(*) FROM clean.encounters), (SELECT count(*) FROM training.experiments)"
#: Without the schedule, which would go on with the next batch.
_SYNC = ("-l", "name!=airflow", "sync")


def volumes() -> dict[str, str]:
    """Return the uid of each volume that holds data or backups."""
    claims = objects("persistentvolumeclaims", "readmission-data") + objects("persistentvolumeclaims", "readmission")
    return {claim["metadata"]["name"]: claim["metadata"]["uid"] for claim in claims}


def state() -> tuple[object, ...]:
    """Return champion, batches, rows, a credential, volumes, and answers to five encounters."""
    kubectl("-n", "readmission", "rollout", "status", "deployment/readmission-inference", "--timeout=300s")
    credential = secret("readmission-data", "credentials", "database-serving")
    return champion(), batches(), sql(_ROWS), credential, volumes(), answers()


def destroyed_and_back() -> str:
    """Destroy with `keepNamespaces`, sync: the same champion with the same answers, rows, credentials and volumes."""
    values = VALUES.with_name("keep.yaml")
    values.write_text("keepNamespaces: true\n")
    helmfile("-l", "name=foundation", "sync", values=(VALUES, values))
    kubectl("-n", "airflow", "scale", "deployment,statefulset", "--all", "--replicas=0")
    before = state()
    helmfile("destroy", values=(VALUES, values))
    left = run("helm", "list", "-A", "-q").split()
    began = time.monotonic()
    helmfile(*_SYNC, values=(VALUES, values))
    after = state()
    took = time.monotonic() - began
    helmfile("-l", "name=foundation", "sync", values=(VALUES,))  # the namespaces go with the next destroy
    if ours := {"foundation", "readmission", "minio", "airflow"} & set(left):
        raise ProofError(f"still installed after the destroy: {sorted(ours)}")
    if before != after:
        names = ("champion", "batches", "rows", "credential", "volumes", "answers")
        changed = [name for name, old, new in zip(names, before, after, strict=True) if old != new]
        raise ProofError(f"changed: {changed}; champion {before[0]} became {after[0]}")
    return f"champion {after[0]}, {after[1]}: answers equal to the bit {took:.0f} s after the sync began"
