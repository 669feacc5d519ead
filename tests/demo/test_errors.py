"""What the page says of a wrong entry, and of an API that is away."""

from typing import Any

from tests.demo.conftest import opened


def test_error_stands_at_its_field_and_goes_away(page: Any) -> None:
    page.get_by_role("button", name="was not readmitted").click()
    page.wait_for_selector("#answer .answer")
    page.fill("#field-time_in_hospital input", "99")
    page.click("#estimate")
    page.wait_for_selector("#field-time_in_hospital.invalid")
    assert "Must be a whole number from 1 to 14." in page.inner_text("#field-time_in_hospital")
    page.fill("#field-time_in_hospital input", "3")
    page.click("#estimate")
    page.wait_for_selector("#answer .answer")
    assert page.locator(".field.invalid").count() == 0


def test_error_is_reached_and_mended_by_keyboard(page: Any) -> None:
    page.get_by_role("button", name="was not readmitted").click()
    page.wait_for_selector("#answer .answer")
    page.fill("#field-time_in_hospital input", "99")
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.matches('#answer .wrong')")
    field = page.locator("#field-time_in_hospital input")
    assert field.get_attribute("aria-invalid") == "true"
    assert field.get_attribute("aria-required") == "true"
    ids = field.get_attribute("aria-describedby").split()
    assert [page.inner_text(f"#{name}") for name in ids] == ["1–14", "Must be a whole number from 1 to 14."]
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert field.evaluate("e => e === document.activeElement")
    page.fill("#field-time_in_hospital input", "3")
    page.keyboard.press("Enter")
    page.wait_for_selector("#answer .answer")
    page.wait_for_function("document.querySelector('#field-time_in_hospital input').ariaInvalid === 'false'")
    assert field.get_attribute("aria-describedby") == "hint-time_in_hospital"


def test_api_down_is_said_kindly_and_entries_stay(browser: Any, demo_alone: str) -> None:
    for page in opened(browser, demo_alone):
        page.get_by_role("button", name="came back after 30 days").click()
        page.wait_for_selector("#answer .down")
        assert "cannot be reached" in page.inner_text("#answer")
        assert "Traceback" not in page.inner_text("body")
        assert page.input_value("#field-number_inpatient input") == "2"
