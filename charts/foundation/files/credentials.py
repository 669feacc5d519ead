"""Make the Secrets that are absent, with random values: credentials.py FOLDER NAMESPACE.

FOLDER/secrets.json is a list of {namespace, name, data: {key: text}}, where `{name}` in a text stands for the random
value of that name and `{sha256:name}` for its SHA-256. Every random value is kept in the Secret `credentials` of
NAMESPACE, so that a Secret made later gets the value that the others already have. What exists is never changed, but
keys that a later release needs are added: to bring a password of your own, make its Secrets first. Before that, the
Secrets that FOLDER/copies.json names, {from, names, to}, are copied to other namespaces. Standard library only: it
runs in a pod of the cluster, with that pod's account.
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
PLACEHOLDER = re.compile(r"\{(sha256:)?([a-z0-9-]+)\}")

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


def fill(text: str, values: dict[str, str]) -> str:
    """Replace the placeholders of a text by random values, or by their SHA-256."""
    return PLACEHOLDER.sub(
        lambda match: sha256(values[match[2]].encode()).hexdigest() if match[1] else values[match[2]], text
    )


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


def copy(source: str, names: list[str], targets: list[str], call: Call) -> list[str]:
    """Copy Secrets of a namespace to others, where they are absent or differ; return their `namespace/name`."""
    changed = []
    for name in names:
        original = call("GET", f"{source}/secrets/{name}", None)
        if original is None:
            raise SystemExit(
                f"cluster.pullSecrets: the namespace {source} has no Secret {name}. Create it there first."
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
    if changed := copy(copies["from"], copies["names"], copies["to"], call):
        print("copied:", ", ".join(changed))
    declared = json.loads((folder / "secrets.json").read_text())
    made = make(declared, namespace, call)
    print(f"made {len(made)} of {len(declared)} Secrets:", ", ".join(made) or "all exist")


if __name__ == "__main__":
    main()
