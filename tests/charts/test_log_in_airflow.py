"""Airflow's log-in at an identity provider: a real API server, with the image's configuration and prod's setting."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chartlib
import httpx
import pytest

from tests.charts.test_log_in import served
from tests.conftest import free_port

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

import identity
import visitor

HOST = "airflow.readmission.example.org"
FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
#: Makes the tables and the administrator, as the chart's Jobs do, in one process: to import Airflow takes seconds.
SET_UP = """
import sys
from airflow.__main__ import main
user = "-u admin -p of-the-proof -e admin@readmission.test -r Admin -f a -l b"
for command in ("db migrate", "users create " + user):
    sys.argv = ["airflow", *command.split()]
    main()
"""


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Give the addresses of Airflow and of the identity provider."""
    home, port, own = tmp_path_factory.mktemp("airflow"), free_port(), free_port()
    issuer = f"http://127.0.0.1:{port}"
    [release] = [r for r in chartlib.releases("prod", logIn={"issuer": issuer}) if r.name == "airflow"]
    [secret] = release.values["apiServer"]["env"]
    environment = os.environ | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__AUTH_MANAGER": FAB,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__API_AUTH__JWT_SECRET": "0123456789abcdef" * 4,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__FAB__ENABLE_PROXY_FIX": "True",  # as the chart has it
        "AIRFLOW__READMISSION__LOG_IN": release.values["config"]["readmission"]["log_in"],
        secret["name"]: identity.SECRET,
    }
    # As in the image; the chart's Jobs, which have no client's secret, read it too.
    (home / "webserver_config.py").write_bytes((chartlib.ROOT / "images/webserver_config.py").read_bytes())
    jobs = {name: value for name, value in environment.items() if name != secret["name"]}
    done = subprocess.run([sys.executable, "-c", SET_UP], env=jobs, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    log = (home / "log").open("w")
    command = [str(Path(sys.executable).with_name("airflow")), "api-server", "--workers", "1", "--port", str(own)]
    process = subprocess.Popen([*command, "--host", "127.0.0.1"], env=environment, stdout=log, stderr=log)
    address, deadline = f"http://127.0.0.1:{own}", time.monotonic() + 120
    try:
        with served(identity.server(issuer, port)):
            while True:
                try:
                    assert httpx.get(f"{address}/api/v2/version", timeout=30).status_code == 200
                    break
                except httpx.TransportError:
                    assert process.poll() is None and time.monotonic() < deadline, (home / "log").read_text()[-3000:]
                    time.sleep(0.5)
            yield {"127.0.0.1": issuer, HOST: address}
    finally:
        process.terminate()
        process.wait()
        log.close()


def may(addresses: dict[str, str], person: str) -> dict[str, Any]:
    """Log in, and return the statuses of looking, starting a run and answering a request for approval."""
    with visitor.browser(addresses) as client:
        visitor.log_in(client, f"http://{HOST}/auth/login/", person)
        api = f"http://{HOST}/api/v2"
        run = "dags/readmission_promote/dagRuns"
        answer = {"chosen_options": ["Approve"]}
        return {
            "look": client.get(f"{api}/dags").status_code,
            "start": client.post(f"{api}/{run}", json={"logical_date": None}).status_code,
            "approve": client.patch(f"{api}/{run}/x/taskInstances/approve/-1/hitlDetails", json=answer).status_code,
            "connections": client.get(f"{api}/connections").status_code,
        }


@pytest.mark.timeout(300)
def test_the_groups_of_the_token_decide_what_a_person_may(addresses: dict[str, str]) -> None:
    # 404: there is no such DAG here, which only who may use it is told.
    assert {person: may(addresses, person) for person in identity.PEOPLE} == {
        "vera": {"look": 200, "start": 403, "approve": 403, "connections": 403},
        "olga": {"look": 200, "start": 404, "approve": 403, "connections": 200},
        "anna": {"look": 200, "start": 403, "approve": 404, "connections": 403},
        "nora": {"look": 403, "start": 403, "approve": 403, "connections": 403},
    }


def test_approvers_may_answer_for_every_dag_that_asks() -> None:
    folder = chartlib.ROOT / "pipelines/dags"
    asking = {path.stem for path in folder.glob("readmission_*.py") if "ask_for_approval()" in path.read_text()}
    text = (chartlib.ROOT / "images/webserver_config.py").read_text()
    assert asking == set(re.findall(r'"(readmission_\w+)"', text))


@pytest.mark.timeout(300)
def test_nobody_comes_in_and_is_sent_to_the_provider_and_back_to_the_public_address(addresses: dict[str, str]) -> None:
    with visitor.browser(addresses) as client:
        assert client.get(f"http://{HOST}/api/v2/dags", follow_redirects=False).status_code == 401
        forwarded = {"x-forwarded-proto": "https", "x-forwarded-host": HOST, "x-forwarded-port": "443"}
        sent = client.get(f"http://{HOST}/auth/login/", headers=forwarded, follow_redirects=False)
        query = httpx.URL(sent.headers["location"]).params
        assert sent.status_code == 302 and query["code_challenge_method"] == "S256"
        assert query["redirect_uri"].startswith(f"https://{HOST}/auth/oauth-authorized/oidc")


@pytest.mark.timeout(300)
def test_the_person_is_the_name_that_ledgers_get_and_the_admin_has_the_api(addresses: dict[str, str]) -> None:
    with visitor.browser(addresses) as client:
        login = {"username": "admin", "password": "of-the-proof"}
        token = client.post(f"http://{HOST}/auth/token", json=login).json()["access_token"]
        headers = {"authorization": f"Bearer {token}"}
        visitor.log_in(client, f"http://{HOST}/auth/login/", "anna")
        users = client.get(f"http://{HOST}/auth/fab/v1/users", headers=headers).json()["users"]
    people = {user["username"]: [role["name"] for role in user["roles"]] for user in users}
    assert people.pop("admin") == ["Admin"]
    assert sorted(people["anna@hospital.example.org"]) == ["Approver", "Public"]
    assert json.dumps(users).count("hospital.example.org") >= 2
