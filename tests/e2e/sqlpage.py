"""pgAdmin as a part of the system: who gets in, that it is connected as the analyst alone, and what its pod reaches."""

import re
from typing import Any

import httpx
from cluster import ProofError, forward, helmfile, kubectl, secret
from install import VALUES
from proofs import connects

_NAMESPACE, _POD = "readmission", "deploy/readmission-pgadmin"
#: What its pod may reach, and what not.
_WAYS = {
    "the API": ("readmission-inference", 8080),
    "MLflow": ("readmission-mlflow", 5000),
    "the cluster": ("kubernetes.default", 443),
}


def opened() -> str:
    """Install pgAdmin: it asks who it is, is connected as the analyst without another password, and may only read."""
    values = VALUES.with_name("pgadmin.yaml")
    values.write_text("pgadmin: {install: true}\n")
    helmfile("-l", "name=foundation", "-l", "name=readmission", "sync", values=(VALUES, values))
    kubectl("-n", _NAMESPACE, "rollout", "status", _POD, "--timeout=300s")
    password = secret(_NAMESPACE, "readmission-pgadmin", "password")
    with forward("svc/readmission-pgadmin", _NAMESPACE, 18094) as url:
        account = connected(url, password)
    ways = {name: connects(_POD, _NAMESPACE, *address).split()[0] for name, address in _WAYS.items()}
    if set(ways.values()) != {"refused"}:
        raise ProofError(f"from its pod: {ways}")
    return f"a log-in first; connected as {account}; {', '.join(f'{name} refused' for name in ways)}"


def connected(url: str, password: str) -> str:
    """Log in to pgAdmin, connect its one server, and return the database role that it has there."""
    with httpx.Client(base_url=url, timeout=60) as client:
        stranger = client.get("/browser/")
        if stranger.status_code != 302 or not stranger.headers["location"].startswith("/login"):
            raise ProofError(f"without a log-in: {stranger.status_code} {stranger.headers.get('location')}")
        form = {"email": "analyst@example.org", "password": "wrong", "csrf_token": _token(client.get("/login"))}
        refused = client.post("/authenticate/login", data=form)
        entered = client.post("/authenticate/login", data=form | {"password": password})
        page = client.get("/browser/")
        if "/login" not in refused.headers.get("location", "") or page.status_code != 200:
            raise ProofError(
                f"wrong password: {refused.status_code}; its own: {entered.status_code}, {page.status_code}"
            )
        client.headers["X-pgA-CSRFToken"] = _token(client.get("/browser/js/utils.js"))
        [group] = _json(client.get("/browser/server_group/nodes/"))["data"]
        [server] = _json(client.get(f"/browser/server/nodes/{group['_id']}/"))["result"]
        answer = _json(client.post(f"/browser/server/connect/{group['_id']}/{server['_id']}"))["data"]
    role = answer["user"]
    if (server["label"], answer["db"], role["is_superuser"]) != ("readmission", "readmission", False):
        raise ProofError(f"{server['label']}: {answer}")
    return str(role["name"])


def _token(answer: httpx.Response) -> str:
    """Return the token against forged requests of a page."""
    if match := re.search(r"csrf_?token\W+([\w.-]{40,})", answer.text, re.IGNORECASE):
        return match[1]
    raise ProofError(f"{answer.url}: {answer.status_code} has no token")


def _json(answer: httpx.Response) -> Any:
    """Return what pgAdmin answers."""
    if answer.status_code != 200:
        raise ProofError(f"{answer.url}: {answer.status_code} {answer.text[:300]}")
    return answer.json()
