"""`readmission clinic` on the running system: a record system of a made-up hospital is trusted and gets its cards."""

import json
import time

import httpx

from tests.system.conftest import System


def test_a_made_up_hospital_discharges_its_patients(system: System) -> None:
    begun = time.monotonic()
    shown = system.run("clinic", "--patients", "4")
    took = time.monotonic() - begun
    assert shown.returncode == 0, shown.stderr[-2000:]
    assert took < 30, took
    for part in (
        "Readmission within 30 days",
        "GET /cds-services",
        "200 in",
        "recorded beside",
        f"{system.api}/worklist",
    ):
        assert part in shown.stdout, shown.stdout
    calls = json.loads(system.run("clinic", "--patients", "30", "--json").stdout)
    assert sum(bool(each["answer"]["cards"]) for each in calls) >= 20
    listed = httpx.get(f"{system.api}/worklist").json()["discharges"]
    assert {each["patient"] for each in listed} >= {f"Patient/{calls[0]['request']['context']['patientId']}"}
    key = system.home / "sandbox" / "key.pem"
    assert key.stat().st_mode & 0o077 == 0
