"""Every page behind a log-in: what answers nobody, who may open what, and whose name an approval carries."""

import contextlib
import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import jwt
from chains import PROMOTIONS, airflow, asked_for
from cluster import OUR_NAMESPACES, ProofError, forward, helmfile, kubectl, objects, run, start, until
from identity import PEOPLE, SECRET
from install import VALUES, sql
from proofs import connects
from visitor import browser, log_in, token

NAMESPACE, CLIENT_SECRET, DOMAIN = "e2e-identity", "e2e-log-in", "readmission.test"
ISSUER = f"http://identity.{NAMESPACE}:5556"
RELEASES = ("foundation", "readmission", "airflow", "door")
#: Who may open the pages that have no log-in of their own.
MAY = {"mlflow": {"olga"}, "demo": {"vera", "olga", "anna"}}
#: What to ask of parts that have keys or a log-in of their own.
ASKED = {"inference": ("POST", "/predict"), "airflow": ("GET", "/api/v2/dags")}
PROMOTE = f"http://airflow.{DOMAIN}/api/v2/{PROMOTIONS}"


def sync(*values: Path) -> None:
    """Sync the releases that a log-in changes."""
    helmfile(*(part for name in RELEASES for part in ("-l", f"name={name}")), "sync", values=(VALUES, *values))
    for kind, name in (("readmission", "deployment/readmission-mlflow"), ("airflow", "deployment/airflow-api-server")):
        kubectl("-n", kind, "rollout", "status", name, "--timeout=300s")


def opened() -> str:
    """Start an identity provider and sync with it: every host of every Ingress answers nobody, and the right people."""
    program = ["create", "configmap", "program", f"--from-file={Path(__file__).with_name('identity.py')}"]
    kubectl("create", "namespace", NAMESPACE, check=False)
    kubectl("-n", NAMESPACE, *program, check=False)
    start(Path(__file__).with_name("identity.yaml"), "identity", NAMESPACE, "inference")
    kubectl("-n", "default", "create", "secret", "generic", CLIENT_SECRET, f"--from-literal=client-secret={SECRET}")
    values = VALUES.with_name("logins.yaml")
    values.write_text(
        f"ingress: {{namespace: {NAMESPACE}, domain: {DOMAIN}}}\napi: {{keys: true}}\n"
        f"logIn: {{issuer: '{ISSUER}', clientId: readmission, clientSecret: {CLIENT_SECRET}, namespace: {NAMESPACE}}}\n"
    )
    sync(values)
    with hosts() as addresses:
        nobody = {host: unknown(addresses, host) for host in addresses if host.endswith(DOMAIN)}
        if wrong := {host: status for host, status in nobody.items() if status not in (302, 401)}:
            raise ProofError(f"open to nobody: {wrong}")
        people = {part: sorted(who(addresses, part)) for part in MAY}
        tokens = {person: by_token(addresses, token(browser(addresses), ISSUER, person)) for person in PEOPLE}
        forged = by_token(addresses, jwt.encode({"iss": ISSUER, "aud": "readmission"}, secrets.token_hex(32), "HS256"))
    ways = [connects("deploy/identity", NAMESPACE, f"{name}.readmission", port) for name, port in WAYS]
    statuses = {"vera": 403, "olga": 200, "anna": 403, "nora": 403}
    if people != {part: sorted(may) for part, may in MAY.items()} or tokens != statuses or forged == 200:
        raise ProofError(f"who may open what: {people}; with a token to MLflow: {tokens}; a forged one: {forged}")
    if [way.split()[0] for way in ways] != ["open", "refused"]:
        raise ProofError(f"from the ingress to the door and past it: {ways}")
    return f"to nobody {nobody}; {people}; with a token MLflow answers {tokens}, a forged one {forged}; no way past it"


#: Ways from where the ingress controller is: to the door of MLflow, and past it.
WAYS = (("door-to-mlflow", 4180), ("readmission-mlflow", 5000))


@contextlib.contextmanager
def hosts() -> Iterator[dict[str, str]]:
    """Give the address of every host that an Ingress of ours names, and of the identity provider."""
    with contextlib.ExitStack() as stack:
        addresses = {ISSUER[7:-5]: stack.enter_context(forward("svc/identity", NAMESPACE, 5556))}
        for item in (o for namespace in OUR_NAMESPACES for o in objects("ingresses", namespace)):
            for rule in item["spec"]["rules"]:
                backend = rule["http"]["paths"][0]["backend"]["service"]
                service = json.loads(
                    kubectl("-n", item["metadata"]["namespace"], "get", "service", backend["name"], "-o", "json")
                )
                target = f"svc/{backend['name']}", item["metadata"]["namespace"], service["spec"]["ports"][0]["port"]
                addresses[rule["host"]] = stack.enter_context(forward(*target))
        yield addresses


def unknown(addresses: dict[str, str], host: str) -> int:
    """Return the status that a host answers to somebody who is not logged in."""
    method, path = ASKED.get(host.split(".")[0], ("GET", "/"))
    with browser(addresses) as client:
        return client.request(method, f"http://{host}{path}", follow_redirects=False).status_code


def who(addresses: dict[str, str], part: str) -> set[str]:
    """Return who gets in to a page by logging in."""
    inside = set()
    for person in PEOPLE:
        with browser(addresses) as client:
            answer = log_in(client, f"http://{part}.{DOMAIN}/", person)
            if answer.status_code == 200 and answer.url.host == f"{part}.{DOMAIN}":
                inside.add(person)
            elif answer.status_code != 403:
                raise ProofError(f"{person} at {part}: {answer.status_code} {answer.text[:200]}")
    return inside


def by_token(addresses: dict[str, str], text: str) -> int:
    """Return the status of MLflow's API to a program with a token."""
    with browser(addresses) as client:
        headers = {"authorization": f"Bearer {text}", "accept": "application/json"}
        url = f"http://mlflow.{DOMAIN}/api/2.0/mlflow/registered-models/search"
        return client.get(url, headers=headers, follow_redirects=False).status_code


def approved() -> str:
    """Promote with an approval: the viewer and the operator may not give it, the approver's name is in the ledger."""
    with hosts() as addresses, contextlib.ExitStack() as stack:
        sessions = {person: stack.enter_context(browser(addresses)) for person in PEOPLE}
        for person, client in sessions.items():
            log_in(client, f"http://airflow.{DOMAIN}/auth/login/", person)
        dags = f"http://airflow.{DOMAIN}/api/v2/dags"
        listed = {person: client.get(dags).status_code for person, client in sessions.items()}
        started = {}

        def start() -> str:
            for person in ("nora", "vera", "anna", "olga"):
                answer = sessions[person].post(PROMOTE, json={"logical_date": None, "conf": {"approval": True}})
                started[person] = answer.status_code
            return str(answer.raise_for_status().json()["dag_run_id"])

        run = asked_for(start)
        answers = {}
        for person in ("vera", "olga", "anna"):
            url = f"http://airflow.{DOMAIN}/api/v2/{run}/taskInstances/approve/-1/hitlDetails"
            answers[person] = sessions[person].patch(url, json={"chosen_options": ["Approve"]}).status_code
    until(300, "the end of the run", lambda: airflow(run)["state"] == "success", pause=2)
    ledger = sql("SELECT decided_by FROM training.promotions ORDER BY id DESC LIMIT 1")
    expected = {
        "listed": {"vera": 200, "olga": 200, "anna": 200, "nora": 403},
        "started": {"nora": 403, "vera": 403, "anna": 403, "olga": 200},
        "answered": {"vera": 403, "olga": 403, "anna": 200},
    }
    seen = {"listed": listed, "started": started, "answered": answers}
    if seen != expected or "anna@hospital.example.org" not in ledger:
        raise ProofError(f"{seen}; decided by {ledger}")
    return f"{seen}; the ledger names {ledger}"


def closed() -> str:
    """Take the log-in away again: no page has an address."""
    run("helm", "-n", "readmission", "uninstall", "door", "--wait", check=False)
    kubectl("-n", "default", "delete", "secret", CLIENT_SECRET, "--ignore-not-found")
    sync()
    kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")
    left = [o["metadata"]["name"] for namespace in OUR_NAMESPACES for o in objects("ingresses", namespace)]
    if left:
        raise ProofError(f"left: {left}")
    return "no Ingress is left"
