"""The follow-up team's list as a page."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from serving.clinic.events import ACTIONS
from serving.demo import worklist
from serving.demo.client import DemoClient

PREDICTION = "01890000-0000-7000-8000-000000000001"


def discharge(rank: int, **changes: Any) -> dict[str, Any]:
    content = {
        "rank": rank,
        "within_capacity": rank <= 2,
        "prediction_id": PREDICTION,
        "patient": f"Patient/p{rank}",
        "stay": f"Encounter/e{rank}",
        "discharged_on": "2026-11-27",
        "readmission_risk_30d": 0.4 - rank / 20,
        "model_version": "3",
        "follow_up": "",
        "noted_at": "",
    }
    return content | changes


LIST = {
    "capacity": 2,
    "discharges": [discharge(1), discharge(2, follow_up="called", noted_at="2026-11-27T09:30:00+00:00")],
}


class Api:
    """An API that records what it is asked."""

    def __init__(self) -> None:
        self.sent: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        if request.url.path == "/follow-ups":
            if b"called" in request.content:
                return httpx.Response(200, json={"status": "recorded"})
            return httpx.Response(
                400, json={"errors": [{"field": "action", "problem": "level", "allowed": "an action"}]}
            )
        if request.url.params.get("format") == "csv":
            return httpx.Response(200, text="rank\r\n1\r\n")
        return httpx.Response(200, json=LIST)


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def page(api: Api) -> Iterator[TestClient]:
    client = DemoClient("http://api")
    client._http = httpx.AsyncClient(base_url="http://api", transport=httpx.MockTransport(api))
    app = FastAPI()
    app.include_router(worklist.routes(client))
    app.include_router(worklist.routes(client, "es"), prefix="/es")
    with TestClient(app, base_url="http://demo", follow_redirects=False) as browser:
        yield browser


def test_the_capacity_is_the_cut_and_what_was_done_is_shown() -> None:
    html = worklist.draw_list({"capacity": 2, "discharges": [discharge(n) for n in range(1, 5)]})
    assert html.count('class="cut beyond"') == 1 and html.count('class="beyond"') == 1
    assert html.index("Patient/p2") < html.index('class="cut beyond"') < html.index("Patient/p3")
    assert "35%" in html and html.count("nothing yet") == 4 and "4 discharges" in html
    assert "No patient was discharged" in worklist.draw_list({"capacity": 2, "discharges": []})


def test_the_actions_are_those_of_the_api() -> None:
    assert worklist.ACTIONS == ACTIONS


def test_what_comes_from_a_record_system_is_escaped() -> None:
    html = worklist.draw_list({"capacity": 2, "discharges": [discharge(1, patient='<script>"')]})
    assert "<script>" not in html and "&lt;script&gt;" in html


def test_the_page_the_file_and_the_form(page: TestClient, api: Api) -> None:
    shown = page.get("/discharges")
    assert shown.status_code == 200 and "called, 2026-11-27 09:30 UTC" in shown.text
    assert shown.headers["content-security-policy"] == worklist.POLICY and shown.headers["cache-control"] == "no-store"
    spanish = page.get("/es/discharges").text
    assert "llamada hecha, 2026-11-27" in spanish and '<html lang="es">' in spanish and 'value="called"' in spanish
    assert page.get("/discharges.csv").text == "rank\r\n1\r\n"
    noted = page.post("/discharges", data={"prediction_id": PREDICTION, "action": "called"})
    assert (noted.status_code, noted.headers["location"]) == (303, "discharges")
    assert api.sent[-1].content == b'{"prediction_id":"%s","action":"called"}' % PREDICTION.encode()


def test_a_refusal_and_another_site_are_told_apart(page: TestClient, api: Api) -> None:
    wrong = page.post("/discharges", data={"prediction_id": PREDICTION, "action": "ignored"})
    assert wrong.status_code == 503 and "could not be noted: an action" in wrong.text
    before = len(api.sent)
    foreign = page.post("/discharges", data={"action": "called"}, headers={"origin": "https://evil.example.org"})
    assert foreign.status_code == 403 and len(api.sent) == before
    own = page.post(
        "/discharges", data={"prediction_id": PREDICTION, "action": "called"}, headers={"origin": "http://demo"}
    )
    assert own.status_code == 303
