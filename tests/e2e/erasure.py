"""A patient is erased on the cluster, by a person of the cluster, without a specification that shows the number."""

import json
import re
import subprocess

from cluster import ROOT, ProofError, kubectl, objects
from install import sql


def number(query: str) -> int:
    """Return the one number that a query gives."""
    match = re.search(r"\d+", sql(query))
    if not match:
        raise ProofError(f"no number: {query}")
    return int(match[0])


def erased() -> str:
    """Erase a patient by scripts/privacy_pod.py: no row is left, the ledger names the user, the pod is gone."""
    patient = number("SELECT min(patient_nbr) FROM clean.encounters")
    rows = "(SELECT patient_nbr FROM raw.encounters UNION ALL SELECT patient_nbr FROM clean.encounters) r"
    before = number(f"SELECT count(*) FROM {rows} WHERE patient_nbr = {patient}")
    command = [str(ROOT / "scripts/privacy_pod.py"), "erase", "--patient", "-", "--reason", "proof on a cluster"]
    done = subprocess.run(command, input=f"{patient}\n", capture_output=True, text=True, timeout=900, check=False)
    if done.returncode:
        raise ProofError((done.stdout + done.stderr)[-1000:].replace(str(patient), "NUMBER"))
    user = json.loads(kubectl("auth", "whoami", "-o", "json"))["status"]["userInfo"]["username"]
    left = number(f"SELECT count(*) FROM {rows} WHERE patient_nbr = {patient}")
    who = sql("SELECT requested_by FROM privacy.erasures ORDER BY id DESC LIMIT 1")
    pods = [p for p in objects("pods", "pipelines") if p["metadata"]["name"].startswith("readmission-erase-")]
    pods = [p for p in pods if "deletionTimestamp" not in p["metadata"]]
    if left or not before or user not in who or pods:
        raise ProofError(f"{before} rows became {left}; requested by {who}, this user is {user}; {len(pods)} pods left")
    return f"{before} rows became 0; requested by {user}; {done.stdout.strip().splitlines()[-1]}"
