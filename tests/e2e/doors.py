"""The API with keys: who has none gets no answer, and a new key counts without a restart."""

import base64
import hashlib
import json
import secrets
import subprocess

import httpx
from cluster import ProofError, forward, helmfile, kubectl, objects, secret, until
from install import VALUES

from readmission import contract

#: What the demo does for a visitor: a prediction with the key that its pod has.
BY_THE_DEMO = (
    "import json, os, urllib.request as r; k = os.environ['READMISSION_UI_API_KEY'];"
    "q = r.Request(os.environ['READMISSION_API_URL'] + '/predict', b'%s', {'X-API-Key': k});"
    "print(json.load(r.urlopen(q, timeout=20))['model_version'])"
)


def status(url: str, key: str = "") -> int:
    """Ask for a prediction; return the status."""
    headers = {"x-api-key": key} if key else {}
    return httpx.post(f"{url}/predict", json=dict(contract.EXAMPLE), headers=headers, timeout=30).status_code


def locked() -> str:
    """Turn keys on, use them, add one; a key's absence and a foreign one are refused."""
    values = VALUES.with_name("doors.yaml")
    values.write_text("api: {keys: true}\n")
    helmfile("-l", "name=foundation", "-l", "name=readmission", "sync", values=(VALUES, values))
    for part in ("inference", "demo"):
        kubectl("-n", "readmission", "rollout", "status", f"deployment/readmission-{part}", "--timeout=180s")
    pods = {p["metadata"]["uid"] for p in objects("pods", "readmission", "app.kubernetes.io/component=inference")}
    ward = secrets.token_hex(24)
    line = f"ward-3:{hashlib.sha256(ward.encode()).hexdigest()}:predict\n"
    with forward("svc/readmission-inference", "readmission", 8080) as url:
        operator = secret("readmission-data", "api-operator", "key")
        statuses = [status(url), status(url, ward), status(url, operator)]
        if statuses != [401, 401, 200]:
            raise ProofError(f"no key, a foreign one, the operator's: {statuses}")
        keys = secret("readmission", "readmission-api-keys", "keys") + line
        patch = json.dumps({"data": {"keys": base64.b64encode(keys.encode()).decode()}})
        kubectl("-n", "readmission", "patch", "secret", "readmission-api-keys", "-p", patch)
        until(180, "the new key opens", lambda: status(url, ward) == 200, pause=3)
    command = ["kubectl", "-n", "readmission", "exec", "deploy/readmission-demo", "--", "python", "-c"]
    body = json.dumps(dict(contract.EXAMPLE))
    version = subprocess.run([*command, BY_THE_DEMO % body], capture_output=True, text=True, timeout=60, check=False)
    if version.returncode:
        raise ProofError(version.stderr[-500:])
    after = {p["metadata"]["uid"] for p in objects("pods", "readmission", "app.kubernetes.io/component=inference")}
    if not pods & after:
        raise ProofError("the API's pods were replaced by the new key")
    return f"401 without a key and with a foreign one; the demo gets version {version.stdout.strip()} with its own"
