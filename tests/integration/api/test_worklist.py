"""Feedback on cards and the follow-up team's list, from the call to the database and back."""

import csv
import datetime
import io
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from readmission.privacy import accesses
from readmission.settings import Settings
from serving.clinic import hooks
from tests import fhir_stay
from tests.demo.conftest import CHROMIUM, FLAGS, demo_for, pictures  # noqa: F401 (pictures is a fixture)
from tests.demo.judged import judge
from tests.integration.api.record_system import ISSUER, RECORD, URL, call, key_set, request, token
from tests.integration.api.tools import Api, Starter, install, rows, until


def started(start: Starter, database: Settings, compiled: dict[str, Path]) -> Api:
    install(database.home, compiled["lightgbm"], "1")
    (database.home / "jwks.json").write_text(json.dumps(key_set()))
    clients = [{"name": "st-mary", "issuer": ISSUER, "jwks_file": "jwks.json"}]
    (database.home / "clients.json").write_text(json.dumps({"clients": clients}))
    api: Api = start(
        READMISSION_CDS_CLIENTS=database.home / "clients.json",
        READMISSION_CDS_URL=URL,
        READMISSION_WORKLIST_CAPACITY=1,
    )
    return api.wait("/readyz")


def discharge(api: Api, stay: str, **changes: Any) -> str:
    """Discharge a patient and return the card's id."""
    prefetched = fhir_stay.prefetch({**RECORD, **changes}, datetime.date.today(), "p1", stay)
    context = {"userId": "Practitioner/1", "patientId": "p1", "encounterId": stay}
    answer = call(api, request(context=context, prefetch=prefetched))
    assert answer.status_code == 200, answer.text
    card: str = answer.json()["cards"][0]["uuid"]
    return card


def nightly(api: Api, folder: Path) -> None:
    """Run the command that the documentation gives to cron."""
    page = (Path(__file__).parents[3] / "docs" / "clinic.md").read_text()
    (command,) = re.findall(r"```sh\n(curl .*?)```", page, re.DOTALL)
    variables = os.environ | {"API": str(api.http.base_url), "WORKLIST_KEY": "none", "NO_PROXY": "127.0.0.1"}
    subprocess.run(["sh", "-c", command], cwd=folder, env=variables, check=True)
    (file,) = folder.glob("discharges-*.csv")
    assert len(list(csv.DictReader(file.open()))) == 3 and not (folder / ".discharges.part").exists()


def test_cards_are_answered_for_and_discharges_followed_up(
    start: Starter, database: Settings, compiled: dict[str, Path]
) -> None:
    api = started(start, database, compiled)
    low = discharge(api, "low", number_inpatient=0, number_emergency=0)
    discharge(api, "high", number_inpatient=2)
    high = discharge(api, "high", number_inpatient=6)  # the discharge is repeated: its last card counts
    assert api.predict(encounter_id=77, patient_nbr=5).status_code == 200
    assert api.predict().status_code == 200  # of nobody whom a team could call
    call(api, request("patient-view"))

    def listed() -> list[dict[str, Any]]:
        answer = api.http.get("/worklist")
        assert answer.status_code == 200, answer.text
        discharges: list[dict[str, Any]] = answer.json()["discharges"]
        assert len(discharges) == 3
        return discharges

    discharges = until(listed, 30)
    by_stay = {each["stay"]: each for each in discharges}
    assert set(by_stay) == {"Encounter/low", "Encounter/high", "77"}
    assert by_stay["Encounter/high"]["prediction_id"] == high and by_stay["77"]["patient"] == "5"
    risks = [each["readmission_risk_30d"] for each in discharges]
    assert risks == sorted(risks, reverse=True)
    assert [each["within_capacity"] for each in discharges] == [True, False, False]

    done = {"prediction_id": low, "action": "called"}
    assert api.http.post("/follow-ups", json=done).status_code == 200
    assert api.http.post("/follow-ups", json={**done, "action": "ignored"}).status_code == 400
    until(lambda: any(each["follow_up"] == "called" for each in listed()), 30)
    nightly(api, database.home)
    exported = list(csv.DictReader(io.StringIO(api.http.get("/worklist?format=csv").text)))
    assert {line["stay"]: line["follow_up"] for line in exported}["Encounter/low"] == "called"

    lists = [access for access in accesses.read_accesses(database, "Patient/p1") if access.route == "/worklist"]
    assert len(lists) >= 2 * 3 and lists[0].model == f"{database.mlflow.model_name} 1", "each list names the patient"
    check_feedback(api, database, high)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium")
def test_the_list_is_read_in_a_browser_in_both_languages(
    start: Starter,
    database: Settings,
    compiled: dict[str, Path],
    pictures: Path,  # noqa: F811
) -> None:
    api = started(start, database, compiled)
    discharge(api, "low", number_inpatient=0, number_emergency=0)
    discharge(api, "high", number_inpatient=6)
    until(lambda: len(api.http.get("/worklist").json()["discharges"]) == 2, 30)
    with demo_for(str(api.http.base_url).rstrip("/")) as demo, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        for name, path, text in (
            ("discharges", "/discharges", "nothing yet"),
            ("altas", "/es/discharges", "nada todavía"),
        ):
            for scheme in ("light", "dark"):
                judge(browser, demo, path, text, scheme, pictures, name)
        browser.close()


def check_feedback(api: Api, database: Settings, card: str) -> None:
    """Send feedback on a card with the right token and with a wrong one, and look for it in the database."""
    override = {"reason": {"code": "disagree", "system": "urn:readmission:cds"}}
    at = "2026-11-27T08:00:00Z"
    feedback = {
        "feedback": [{"card": card, "outcome": "overridden", "overrideReason": override, "outcomeTimestamp": at}]
    }
    signed = {"authorization": f"Bearer {token(aud=URL + hooks.FEEDBACK)}"}
    assert api.http.post(hooks.FEEDBACK, json=feedback, headers=signed).status_code == 200
    wrong = {"authorization": f"Bearer {token()}"}
    assert api.http.post(hooks.FEEDBACK, json=feedback, headers=wrong).status_code == 401
    query = "SELECT prediction_id::text, outcome, reason FROM serving.card_feedback"
    assert until(lambda: rows(database, query), 30) == [(card, "overridden", "disagree")]
    # What a clinician thinks of a card says nothing of the patient's outcome.
    assert rows(database, "SELECT count(*) FROM serving.feedback") == [(0,)]
