"""Make the Secrets that are absent, with random values: credentials.py FOLDER NAMESPACE.

FOLDER/secrets.json is a list of {namespace, name, data: {key: text}}, where `{name}` in a text stands for the random
value of that name, `{sha256:name}` for its SHA-256 and `{signer:name}` for the public key of what it signs. Every
random value is kept in the Secret `credentials` of NAMESPACE, so that a Secret made later gets the value that the
others already have. What exists is not changed, but keys that a later release needs are added: to bring a password of
your own, make its Secrets first. FOLDER/rotate.json, {name: label}, asks for new values: a value is made anew when its
label is another than before; `all` stands for every value that may be. Before all that, the Secrets that
FOLDER/copies.json names, {from, to: {name: [namespace]}}, are copied to other namespaces. It runs in a pod of the
cluster, with that pod's account, in the image of the steps: public keys need its package, the rest the standard
library alone.
"""

import base64
import json
import os
import re
import secrets
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
PLACEHOLDER = re.compile(r"\{(sha256:|signer:)?([a-z0-9-]+)\}")

#: Values that the other side would not follow, and why; docs/kubernetes.md says what to do instead.
KEPT = {
    "airflow-admin": "Airflow reads it when it makes the user",
    "airflow-fernet": "Airflow would not read what it has encrypted",
    "api-demo": "clients need a time in which both keys open",
    "api-loadtest": "clients need a time in which both keys open",
    "api-operator": "clients need a time in which both keys open",
    "backup-key": "older backups need it",
    "grafana-admin": "Grafana reads it when it makes the user",
    "minio-root": "MinIO reads it when it makes its volume",
    "patient-key": "pseudonyms need the one before too",
    "postgres-admin": "Postgres reads it when it makes its volume",
    "signing-key": "signed versions need the one before too",
}

Call = Callable[[str, str, "dict[str, Any] | None"], "dict[str, Any] | None"]


def call(method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any] | None:
    """Ask the API server; None when what was asked for is absent (404) or is already there (409)."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    request = urllib.request.Request(
        f"https://{host}:{port}/api/v1/namespaces/{path}",
        json.dumps(body).encode() if body else None,
        {"Authorization": f"Bearer {(ACCOUNT / 'token').read_text()}", "Content-Type": kind},
        method=method,
    )
    context = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    try:
        with urllib.request.urlopen(request, context=context, timeout=30) as answer:  # noqa: S310 (https, above)
            return json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code in (404, 409):
            return None
        raise SystemExit(f"{method} {path}: {error} {error.read().decode()[:500]}") from error


def random_value(name: str) -> str:
    """Return a new secret: hex digits, safe in URLs and on command lines, or a Fernet key for `*-fernet`."""
    if name.endswith("-fernet"):
        return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    return secrets.token_hex(24)


def encoded(data: dict[str, str]) -> dict[str, str]:
    """Return the data of a Secret as the API takes it."""
    return {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}


def derived(kind: str | None, value: str) -> str:
    """Return what a placeholder stands for."""
    if kind == "sha256:":
        return sha256(value.encode()).hexdigest()
    if kind == "signer:":
        from readmission.signatures import SigningKey

        return SigningKey(value).public
    return value


def fill(text: str, values: dict[str, str]) -> str:
    """Replace the placeholders of a text by random values, or by what is derived from them."""
    return PLACEHOLDER.sub(lambda match: derived(match[1], values[match[2]]), text)


def make(declared: list[dict[str, Any]], namespace: str, call: Call) -> list[str]:
    """Make the declared Secrets that are absent, and absent keys of others; return their `namespace/name`."""
    absent = []
    for secret in declared:
        present = call("GET", f"{secret['namespace']}/secrets/{secret['name']}", None)
        missing = {k: text for k, text in secret["data"].items() if k not in ((present or {}).get("data") or {})}
        if missing:
            absent.append({**secret, "data": missing, "exists": present is not None})
    if not absent:
        return []
    store = call("GET", f"{namespace}/secrets/credentials", None)
    stored = {k: base64.b64decode(v).decode() for k, v in ((store or {}).get("data") or {}).items()}
    names = {n for s in absent for text in s["data"].values() for _, n in PLACEHOLDER.findall(text)}
    fresh = {name: random_value(name) for name in sorted(names - stored.keys())}
    # The store first: a Job killed after this line finds the same values again.
    if store is None:
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "credentials"}, "data": encoded(fresh)}
        if call("POST", f"{namespace}/secrets", body) is None:
            raise SystemExit("Another run of this Job is making the credentials; this one gives way.")
    elif fresh:
        call("PATCH", f"{namespace}/secrets/credentials", {"data": encoded(fresh)})
    values = stored | fresh
    for secret in absent:
        data = {k: fill(text, values) for k, text in secret["data"].items()}
        path = f"{secret['namespace']}/secrets"
        if secret["exists"]:
            call("PATCH", f"{path}/{secret['name']}", {"data": encoded(data)})
            continue
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret["name"]}, "data": encoded(data)}
        call("POST", path, body)
    return [f"{s['namespace']}/{s['name']}" for s in absent]


def rotate(declared: list[dict[str, Any]], namespace: str, labels: dict[str, str], call: Call) -> list[str]:
    """Make values anew whose label is new, wherever their Secrets still have the old ones; return their names.

    It may be killed at any point and run again: what is next is in the store before any Secret has it.
    """
    names = {n for s in declared for text in s["data"].values() for _, n in PLACEHOLDER.findall(text)}
    labels = {**{n: labels["all"] for n in names - KEPT.keys() if "all" in labels}, **labels}
    labels.pop("all", None)
    for name in labels:
        if name in KEPT or name not in names:
            raise SystemExit(f"rotate: {name} cannot be made anew: {KEPT.get(name, 'there is no such value')}.")
    store = call("GET", f"{namespace}/secrets/credentials", None) or {}
    stored = {k: base64.b64decode(v).decode() for k, v in (store.get("data") or {}).items()}
    due = {name: label for name, label in labels.items() if stored.get(f"rotated-{name}") != str(label)}
    if not due:
        return []
    new = {name: stored.get(f"next-{name}") or random_value(name) for name in due}
    call("PATCH", f"{namespace}/secrets/credentials", {"data": encoded({f"next-{n}": v for n, v in new.items()})})
    for secret in declared:
        path = f"{secret['namespace']}/secrets/{secret['name']}"
        present = (call("GET", path, None) or {}).get("data") or {}
        old = {k: base64.b64decode(present[k]).decode() for k in secret["data"] if k in present}
        changed = {k: renewed(text, secret["data"][k], stored, new) for k, text in old.items()}
        if changed != old:
            call("PATCH", path, {"data": encoded(changed)})
    done = encoded({**new, **{f"rotated-{name}": str(label) for name, label in due.items()}})
    call("PATCH", f"{namespace}/secrets/credentials", {"data": done | dict.fromkeys(f"next-{name}" for name in due)})
    return sorted(due)


def renewed(text: str, declared: str, old: dict[str, str], new: dict[str, str]) -> str:
    """Return a text with new values in place of old ones; what somebody else has put there stays."""
    for kind, name in PLACEHOLDER.findall(declared):
        if name in new:
            text = text.replace(derived(kind, old[name]), derived(kind, new[name]))
    return text


def copy(source: str, copies: dict[str, list[str]], call: Call) -> list[str]:
    """Copy Secrets of a namespace to others, where they are absent or differ; return their `namespace/name`."""
    changed = []
    for name, targets in copies.items():
        original = call("GET", f"{source}/secrets/{name}", None)
        if original is None:
            raise SystemExit(
                f"The namespace {source} has no Secret {name}, which cluster.pullSecrets or logIn.clientSecret names."
                " Create it there first."
            )
        for target in targets:
            present = call("GET", f"{target}/secrets/{name}", None)
            if present is not None and present.get("data") == original["data"]:
                continue
            body = {"apiVersion": "v1", "kind": "Secret", "type": original["type"], "data": original["data"]}
            if present is None:
                call("POST", f"{target}/secrets", body | {"metadata": {"name": name}})
            else:
                call("PATCH", f"{target}/secrets/{name}", {"data": original["data"]})
            changed.append(f"{target}/{name}")
    return changed


def main() -> None:
    """Make the Secrets and say which."""
    folder, namespace = Path(sys.argv[1]), sys.argv[2]
    copies = json.loads((folder / "copies.json").read_text())
    if changed := copy(copies["from"], copies["to"], call):
        print("copied:", ", ".join(changed))
    declared = json.loads((folder / "secrets.json").read_text())
    made = make(declared, namespace, call)
    if anew := rotate(declared, namespace, json.loads((folder / "rotate.json").read_text()), call):
        print("made anew:", ", ".join(anew))
    print(f"made {len(made)} of {len(declared)} Secrets:", ", ".join(made) or "all exist")


if __name__ == "__main__":
    main()
