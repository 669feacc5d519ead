"""Record systems: a FHIR Bundle or a call of CDS Hooks is answered as /predict answers the same patient."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from readmission import contract
from serving.clinic import cards, hooks
from tests import fhir_stay
from tests.integration.api.record_system import RECORD, URL, call, request, resources, start_clinic, token
from tests.integration.api.tools import Api


@pytest.fixture(scope="module")
def api(compiled: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    running = start_clinic(tmp_path_factory.mktemp("clinic"), compiled["lightgbm"])
    yield running
    assert running.stop() == 0


def assess(api: Api, bundle: Any) -> httpx.Response:
    return api.http.post("/fhir/RiskAssessment", json=bundle)


@pytest.mark.parametrize("changes", [{}, {"icd": "10cm", "diag_1": "I50.9", "diag_2": "E11.9", "diag_3": "I10"}])
def test_a_bundle_has_the_probabilities_of_predict_to_the_bit(api: Api, changes: dict[str, Any]) -> None:
    record = {**RECORD, **changes}
    answer = assess(api, fhir_stay.bundle(resources(record)))
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/fhir+json")
    assessment = json.loads(answer.text, parse_float=Decimal)
    expected = api.http.post("/predict", json=record).json()["probabilities"]
    served = [float(prediction["probabilityDecimal"] / 100) for prediction in assessment["prediction"]]
    assert served == [expected["<30"], expected[">30"], expected["NO"]]
    assert assessment["subject"]["reference"] == "Patient/p1"
    sources = {part["url"] for part in assessment["extension"][0]["extension"]}
    assert sources == {"sent", "derived", "assumed", "missing"}


def test_a_refused_bundle_names_the_element_and_repeats_no_value(api: Api) -> None:
    sent = resources()
    sent["labs"]["entry"][0]["resource"]["valueQuantity"]["code"] = "furlong"
    answer = assess(api, fhir_stay.bundle(sent))
    assert answer.status_code == 422
    issue = answer.json()["issue"][0]
    assert (issue["code"], issue["expression"]) == ("value", ["Observation.valueQuantity of A1Cresult"])
    assert "furlong" not in answer.text
    assert assess(api, {"resourceType": "Patient"}).status_code == 400
    assert api.http.post("/fhir/RiskAssessment", content=b"{").status_code == 400


@pytest.mark.parametrize("algorithm", ["RS384", "ES384"])
@pytest.mark.parametrize("hook", hooks.HOOKS)
def test_a_call_is_answered_with_a_card(api: Api, hook: str, algorithm: str) -> None:
    answer = call(api, request(hook), token(algorithm))
    assert answer.status_code == 200, answer.text
    (card,) = answer.json()["cards"]
    assert len(card["summary"]) < 140 and card["indicator"] in ("info", "warning", "critical")
    early = api.http.post("/predict", json=RECORD).json()["probabilities"]["<30"]
    assert card["summary"].startswith(f"Readmission within 30 days: {early:.0%}")
    assert card["links"] == [{"label": "Model card", "url": f"{URL}/model-card", "type": "absolute"}]
    assert [reason["code"] for reason in card["overrideReasons"]] == list(cards.OVERRIDE_REASONS)
    assert "**Known scores**" in card["detail"] and "LACE" in card["detail"]
    assert "**Not known:**" in card["detail"] and contract.risk.INTENDED_USE in card["detail"]
    _no_empty(card)


def _no_empty(value: Any) -> None:
    """The standard forbids null and empty elements."""
    assert value not in (None, "", [], {})
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _no_empty(inner)


def test_discovery_offers_both_hooks_with_their_prefetch(api: Api) -> None:
    services = api.http.get("/cds-services").json()["services"]
    assert [service["hook"] for service in services] == list(hooks.HOOKS)
    for service in services:
        assert service["id"] == hooks.SERVICE_ID and service["description"]
        assert service["prefetch"] == dict(hooks.PREFETCH)


def test_missing_prefetch_is_named_with_its_query(api: Api) -> None:
    body = request()
    del body["prefetch"]["labs"]
    body["prefetch"]["conditions"] = None
    body["prefetch"]["procedures"] = {"resourceType": "OperationOutcome", "issue": []}
    answer = call(api, body)
    assert answer.status_code == 412
    assert answer.json()["missing"] == {key: hooks.PREFETCH[key] for key in ("conditions", "labs", "procedures")}
    del body["prefetch"]
    assert call(api, body).status_code == 412


def test_a_request_that_breaks_the_standard_is_told_how(api: Api) -> None:
    context = {"userId": "Practitioner/1", "patientId": "p1"}
    broken = request("order-sign", hookInstance="1", context=context, prefetch=fhir_stay.bundle(resources()))
    answer = call(api, broken)
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == ["hook", "hookInstance", "prefetch"]
    answer = call(api, request(context=context))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "context.encounterId")
    answer = call(api, request(context={**context, "patientId": "p2", "encounterId": "e1"}))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "Patient.id")


def test_patients_whom_the_model_does_not_know_get_no_card(api: Api) -> None:
    body = request()
    body["prefetch"]["encounter"]["class"]["code"] = "AMB"
    answer = call(api, body)
    assert answer.status_code == 200 and answer.json()["cards"] == []
    assert answer.json()["extension"]["urn:readmission:no-card"][0]["field"] == "Encounter.class"
