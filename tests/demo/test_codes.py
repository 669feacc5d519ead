"""Diagnoses in ICD-10-CM: chosen on the page, translated in the open, by hand and by file."""

import csv
from pathlib import Path
from typing import Any

import httpx
import pytest

from serving.demo.presets import PRESETS
from tests.demo.conftest import opened
from tests.demo.test_access import violations

READ = "Read as ICD-9-CM 428 · Heart failure"


def test_a_clinician_chooses_icd10_by_keyboard_and_reads_what_each_code_means(page: Any, api: str) -> None:
    page.get_by_role("button", name="came back within 30 days").click()
    page.wait_for_selector("#answer .answer")
    system = page.get_by_role("combobox", name="Code system of the diagnoses")
    assert system.input_value() == "9cm"
    system.focus()
    page.keyboard.press("ArrowDown")
    assert system.input_value() == "10cm"
    assert page.get_attribute("#input-diag_1", "list") == "diagnoses-10cm"
    for name, code in (("diag_1", "i50.9"), ("diag_2", "E1165"), ("diag_3", "I10")):
        page.fill(f"#input-{name}", code)
    assert page.inner_text("#meaning-diag_3") == "Essential hypertension"
    page.keyboard.press("Enter")
    page.wait_for_selector("#answer .answer:not(.stale) .note")
    assert page.locator("#answer .note").all_inner_texts()[0] == (
        "Primary diagnosis: “i50.9” was read as ICD-9-CM 428 · Heart failure."
    )
    page.wait_for_function(f"document.querySelector('#meaning-diag_1').textContent === {READ!r}")
    assert [page.input_value(f"#input-{name}") for name in ("diag_1", "diag_2")] == ["I50.9", "E11.65"]
    record = {**PRESETS[2].record, "diag_1": "428", "diag_2": "250.8", "diag_3": "401"}
    served = httpx.post(f"{api}/predict", json=record).json()
    assert page.inner_text(".risk strong") == f"{served['readmission_risk_30d']:.0%}"
    page.get_by_role("button", name="came back after 30 days").click()
    page.wait_for_function("document.querySelector('#input-icd').value === '9cm'")
    assert page.get_attribute("#input-diag_1", "list") == "diagnoses-9cm"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "language"), [(1280, ""), (390, "es/")])
def test_refused_codes_are_explained_at_their_fields(
    browser: Any, demo: str, pictures: Path, scheme: str, width: int, language: str
) -> None:
    objections = {
        "": (
            "Is a code of ICD-9-CM, but the code system is ICD-10-CM: choose ICD-9-CM.",
            "Is an ICD-10-CM code without an equivalent that the model knows: leave it out or give another.",
        ),
        "es/": (
            "Es un código de la CIE-9-MC, pero el sistema de códigos es CIE-10-MC: elija CIE-9-MC.",
            "Es un código de la CIE-10-MC sin equivalente que el modelo conozca: déjelo vacío o indique otro.",
        ),
    }
    for page in opened(browser, f"{demo}/{language}", width, scheme):
        page.locator("#presets button").nth(1).click()
        page.wait_for_selector("#answer .answer")
        page.select_option("#input-icd", "10cm")
        for name, code in (("diag_1", "428"), ("diag_2", "U07.1"), ("diag_3", "I50.9")):
            page.fill(f"#input-{name}", code)
        page.click("#estimate")
        page.wait_for_selector("#answer .wrong")
        assert tuple(page.inner_text(f"#error-diag_{n}") for n in (1, 2)) == objections[language]
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert violations(page) == []
        name = f"demo-codes-{language.strip('/') or 'en'}-{scheme}-{width}.png"
        page.locator("#group-diagnoses").screenshot(path=pictures / name)


def test_a_file_in_icd10_is_scored_and_says_what_was_read(
    browser: Any, demo: str, tmp_path: Path, pictures: Path
) -> None:
    columns = list(PRESETS[1].record)
    ward = tmp_path / "ward.csv"
    with ward.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerow({**PRESETS[1].record, "diag_1": "I50.9", "diag_2": "E11.65", "diag_3": "N17.9"})
        writer.writerow({**PRESETS[1].record, "diag_1": "428", "diag_2": "", "diag_3": ""})
    for page in opened(browser, demo):
        page.get_by_role("tab", name="Many patients").click()
        page.wait_for_selector("#upload")
        page.get_by_label("Code system of the diagnoses").last.select_option("10cm")
        page.set_input_files("#many input[type=file]", str(ward))
        page.wait_for_selector(".report")
        report = page.inner_text(".report")
        assert "1 of 2 rows scored" in report and "Diagnoses were read as ICD-10-CM" in report
        assert "Primary diagnosis is a code of ICD-9-CM, but the code system is ICD-10-CM" in report
        page.screenshot(path=pictures / "demo-codes-file.png", full_page=True)
        with page.expect_download() as download:
            page.click("#download")
        with Path(download.value.path()).open(encoding="utf-8-sig", newline="") as scored:
            rows = list(csv.DictReader(scored))
        assert [row["diagnoses_icd9"] for row in rows] == ["428; 250.8; 584", ""]
