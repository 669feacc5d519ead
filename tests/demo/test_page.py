"""The demo in a real browser, and through Gradio's own client, in front of the real API."""

import csv
import json
import os
import re
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client

from readmission import contract
from serving.demo import form
from serving.demo.labels import RISK_BANDS, label
from serving.demo.presets import PRESETS


def estimate(url: str, values: form.Values) -> str:
    """Ask for an estimate as the page does; return the picture of the answer."""
    return str(Client(url, verbose=False).predict(dict(values), api_name="/estimate")[0])


def test_presets_are_answered_with_rising_risk(demo: str, api: str) -> None:
    risks = []
    for preset in PRESETS:
        html = estimate(demo, form.fill(preset.record))
        served = httpx.post(f"{api}/predict", json=dict(preset.record)).json()
        risks.append(served["readmission_risk_30d"])
        assert f"<strong>{risks[-1]:.0%}</strong>" in html
        band = served["risk_band"]  # empty: this model came without bands
        assert ('class="band"' in html) == bool(band)
        assert not band or RISK_BANDS[band][0] in html
    assert len(set(risks)) == len(risks)


def test_an_empty_form_names_every_needed_field(demo: str) -> None:
    html = estimate(demo, form.fill({}))
    needed = [column for column in contract.FEATURE_COLUMNS if column.required]
    assert f"{len(needed)} values need attention" in html
    assert all(f'href="#field-{column.name}"' in html for column in needed)


def score_csv(url: str, path: str) -> dict[str, Any]:
    """Ask for the scoring of a path on the server, as the page does; return the last event of Gradio's queue."""
    event = next(d["id"] for d in httpx.get(f"{url}/config").json()["dependencies"] if d["api_name"] == "score_csv")
    session = uuid.uuid4().hex
    data = [{"path": path, "orig_name": "ward.csv", "meta": {"_type": "gradio.FileData"}}, {"icd": "9cm"}]
    httpx.post(
        f"{url}/gradio_api/queue/join", json={"data": data, "fn_index": event, "session_hash": session}
    ).raise_for_status()
    with httpx.stream("GET", f"{url}/gradio_api/queue/data", params={"session_hash": session}, timeout=60) as stream:
        for line in stream.iter_lines():
            message = json.loads(line.removeprefix("data:")) if line else {}
            if message.get("msg") == "process_completed":
                return dict(message)
    raise AssertionError("the queue ended without an answer")


def upload(url: str, path: Path) -> str:
    """Upload a file as the page does; return its path on the server."""
    with path.open("rb") as file:
        answer = httpx.post(f"{url}/gradio_api/upload", files={"files": ("ward.csv", file)}, timeout=60)
    return str(answer.raise_for_status().json()[0])


def test_a_file_is_scored_with_its_errors(demo: str, sample_rows: Path) -> None:
    html, download = score_csv(demo, upload(demo, sample_rows))["output"]["data"]
    assert "2,599 of 2,600 rows scored" in html
    scored = httpx.get(f"{demo}/gradio_api/file={download['value']['path']}").raise_for_status()
    rows = list(csv.DictReader(scored.content.decode("utf-8-sig").splitlines()))
    assert len(rows) == 2600
    assert contract.TARGET not in rows[0]
    assert [number for number, row in enumerate(rows) if row["error"]] == [2]
    assert rows[2]["error"].startswith("Age is not one of the allowed values")
    assert "The 10 highest risks" in html and "<td>4</td>" in html
    shares = ("probability_no", "probability_after_30", "probability_within_30")
    assert all(abs(sum(float(row[name]) for name in shares) - 1) < 1e-5 for row in rows if not row["error"])


@pytest.mark.parametrize("spelling", ["absolute", "relative", "climbing"])
def test_file_that_nobody_uploaded_is_neither_read_nor_copied(demo: str, sample_rows: Path, spelling: str) -> None:
    below = Path(upload(demo, sample_rows)).parent
    private = sample_rows.with_name(f"{spelling}.csv")
    private.write_bytes(sample_rows.read_bytes())
    path = {
        "absolute": str(private),
        "relative": os.path.relpath(private, Path.cwd()),
        "climbing": f"{below}/{os.path.relpath(private, below)}",
    }[spelling]
    answer = score_csv(demo, path)
    assert answer["success"] is False, "a file of the server was scored"
    assert "data" not in answer["output"]
    assert list(below.parent.rglob(private.name)) == []
    assert sorted(p.name for p in private.parent.glob("*scored*")) == []


def test_template_and_example_can_be_downloaded(demo: str) -> None:
    for name, lines in (("template.csv", 1), ("example.csv", 4)):
        answer = httpx.get(f"{demo}/{name}").raise_for_status()
        assert answer.headers["content-type"].startswith("text/csv")
        assert len(answer.content.decode("utf-8-sig").splitlines()) == lines


def test_scripts_of_a_model_card_do_not_run(demo: str) -> None:
    policy = httpx.get(f"{demo}/model-card").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy


def test_health_metrics_and_headers(demo: str) -> None:
    assert httpx.get(f"{demo}/health").json() == {"status": "ok"}
    estimate(demo, form.fill(PRESETS[0].record))
    metrics = httpx.get(f"{demo}/metrics").text
    assert re.search(r'readmission_demo_requests_total\{outcome="answered",route="predict"\} [1-9]', metrics)
    policy = httpx.get(demo).headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy


def test_page_says_the_data_are_synthetic_and_loads_nothing_from_outside(page: Any) -> None:
    page.wait_for_selector(".banner")
    assert "Synthetic data" in page.inner_text(".banner")
    assert "diabetes_readmission · version 1" in page.inner_text(".state")
    assert page.outside == []
    assert "gradio" not in page.inner_text("body").lower()


def test_preset_fills_the_form_and_draws_one_hundred_patients(page: Any) -> None:
    page.get_by_role("button", name="came back within 30 days").click()
    page.wait_for_selector("#answer .answer")
    assert page.input_value("#field-number_inpatient input") == "4"
    assert page.locator("#answer svg use").count() == 100
    assert "risk of readmission within 30 days" in page.inner_text("#answer")
    for name, text in (("number_inpatient", "0"), ("diag_1", "428")):
        page.fill(f"#field-{name} input", text)
        page.wait_for_selector("#answer .stale")
        page.click("#estimate")
        page.wait_for_selector("#answer .answer:not(.stale)")


def test_emptied_number_is_not_known_and_shows_nothing(page: Any) -> None:
    page.wait_for_function("document.querySelector('#field-number_inpatient input')")
    assert page.input_value("#field-number_inpatient input") == ""
    page.get_by_role("button", name="came back within 30 days").click()
    page.wait_for_selector("#answer .answer")
    assert "Inpatient stays" not in page.text_content("#answer .assumed")
    page.fill("#field-number_inpatient input", "")
    page.wait_for_selector("#answer .stale")
    page.click("#estimate")
    page.wait_for_selector("#answer .answer:not(.stale)")
    assert "Inpatient stays" in page.text_content("#answer .assumed")


def test_typed_years_and_codes_are_repaired_and_reasons_are_in_the_users_words(page: Any) -> None:
    page.get_by_role("button", name="came back within 30 days").click()
    page.wait_for_selector("#answer .reasons")
    page.fill("#field-age input", "72")
    page.fill("#field-diag_1 input", "4280")
    page.click("#estimate")
    page.wait_for_selector("#answer .answer:not(.stale) .note")
    notes = page.locator("#answer .note").all_inner_texts()
    assert notes == [
        "Age: “72” was read as 70–79 years.",
        "Primary diagnosis: “4280” was read as 428.0 · Heart failure.",
    ]
    assert page.input_value("#field-age input") == "70–79 years"
    assert "Inpatient stays in the year before: 4" in page.inner_text("#answer .reasons")


def test_diagnosis_is_offered_by_name_and_named_below_its_code(page: Any) -> None:
    page.wait_for_selector("#field-diag_1 input")
    asthma = page.locator("#diagnoses-9cm option[value='493']")
    assert asthma.text_content() == "Asthma"
    assert page.get_attribute("#field-diag_1 input", "list") == "diagnoses-9cm"
    page.fill("#field-diag_1 input", "493")
    assert page.inner_text("#meaning-diag_1") == "Asthma"
    page.fill("#field-diag_1 input", "493.2")
    assert page.inner_text("#meaning-diag_1") == ""


def test_a_screen_reader_hears_every_control_by_its_label(page: Any) -> None:
    page.wait_for_selector("#form select")
    page.evaluate("document.querySelectorAll('#form details').forEach(fold => fold.open = true)")
    for column in form.STATED:
        typed = column.pattern or not column.levels or column.name == "age"
        # An input with a list of suggestions is a combobox, as a select is.
        role = "textbox" if typed and not column.pattern and column.name != "age" else "combobox"
        control = page.get_by_role(role, name=label(column), exact=True)
        assert control.count() == 1, column.name
        assert control.get_attribute("aria-required") == str(column.required).lower()
    page.get_by_role("combobox", name="Gender *").select_option(label="Female")
    assert page.input_value("#input-gender") == "Female"


def test_empty_form_forgets_values_errors_and_answer(page: Any) -> None:
    page.get_by_role("button", name="was not readmitted").click()
    page.wait_for_selector("#answer .answer")
    page.fill("#input-time_in_hospital", "99")
    page.keyboard.press("Enter")
    page.wait_for_selector(".field.invalid")
    page.get_by_role("button", name="Empty form").click()
    page.wait_for_selector("#answer .empty")
    page.wait_for_function("!document.querySelector('.field.invalid')")
    values = page.evaluate("readmissionForm.values()")
    assert values == form.fill({})
    assert page.locator(".field .about").all_inner_texts() == [""] * len(values)
