"""The page in Spanish, chosen by the browser or by a link."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.demo.conftest import opened

#: Words that only an English text has.
ENGLISH = {
    "the",
    "of",
    "and",
    "risk",
    "patients",
    "required",
    "not",
    "choose",
    "file",
    "drop",
    "upload",
    "click",
    "days",
}
#: Proper names that stand in both languages.
NAMES = re.compile(r"Diabetes 130-US hospitals|diabetes_readmission|readmission|English|readmitted|HMO.*?\)", re.DOTALL)


def english_words(text: str) -> set[str]:
    """Return the English words of a Spanish page."""
    return ENGLISH & set(re.findall(r"\w+", NAMES.sub("", text).lower()))


def test_a_browser_gets_its_language_and_a_link_the_other(browser: Any, demo: str) -> None:
    context = browser.new_context(locale="es-CO")
    page = context.new_page()
    page.goto(demo)
    page.wait_for_selector(".state.up")  # it draws the head again, and its links
    assert page.url == f"{demo}/es/"
    assert page.title() == "Riesgo de reingreso"
    assert page.get_attribute("html", "lang") == "es"
    page.get_by_role("link", name="English").click()
    page.get_by_role("heading", name="Readmission risk").wait_for()
    page.wait_for_selector(".state.up")
    assert page.get_attribute("html", "lang") == "en"
    page.get_by_role("link", name="Español").click()
    page.get_by_role("heading", name="Riesgo de reingreso").wait_for()
    context.close()


def test_an_answer_and_its_errors_are_spanish_throughout(browser: Any, demo: str) -> None:
    for page in opened(browser, f"{demo}/es/"):
        page.wait_for_selector(".banner")
        assert english_words(page.inner_text("body")) == set()
        page.get_by_role("button", name="reingresó después de 30 días").click()
        page.wait_for_selector("#answer .reasons")
        page.evaluate("document.querySelectorAll('details').forEach(fold => fold.open = true)")
        assert english_words(page.inner_text("body")) == set()
        page.fill("#input-age", "72 años")
        page.fill("#input-diag_1", "250,83")
        page.fill("#input-number_inpatient", "muchas")
        page.select_option("#input-gender", "")
        page.click("#estimate")
        page.wait_for_selector("#answer .wrong")
        assert page.input_value("#input-age") == "70–79 años"
        assert page.input_value("#input-diag_1") == "250.83"
        assert page.inner_text("#error-number_inpatient") == "Debe ser un número entero de 0 a 100."
        assert page.inner_text("#error-gender") == "Es un dato obligatorio."
        assert english_words(page.inner_text("body")) == set()


def test_a_file_and_its_report_are_spanish_throughout(
    browser: Any, demo: str, sample_rows: Path, pictures: Path
) -> None:
    for page in opened(browser, f"{demo}/es/"):
        page.get_by_role("tab", name="Varios pacientes").click()
        page.wait_for_selector("#upload")
        assert english_words(page.inner_text("body")) == set()
        page.set_input_files("#many input[type=file]", str(sample_rows))
        page.wait_for_selector(".report")
        assert "2\u202f599 de 2\u202f600 filas evaluadas" in page.inner_text(".report")
        assert "Edad no es uno de los valores permitidos." in page.inner_text(".report")
        assert english_words(page.inner_text("body")) == set()
        page.screenshot(path=pictures / "demo-es-file.png", full_page=True)


@pytest.mark.parametrize(("path", "location"), [("/", "es/"), ("/es", "es/"), ("/?language=en", None), ("/es/", None)])
def test_address_overrides_the_browser(demo: str, path: str, location: str | None) -> None:
    answer = httpx.get(f"{demo}{path}", headers={"Accept-Language": "es"})
    assert answer.headers.get("location") == location
    assert answer.status_code == (307 if location else 200)
