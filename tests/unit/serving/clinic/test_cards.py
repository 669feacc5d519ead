"""Cards: the standard's limits, who gets a suggestion, what is told of a doubtful estimate."""

import json

import msgspec
import pytest

from readmission.contract import EXAMPLE
from readmission.contract.risk import BAND_NAMES
from serving.clinic import cards
from serving.predict.encounter import decode
from serving.predict.known_scores import describe_scores
from tests.unit.fhir.test_assessment import ESTIMATE, encounter


def test_the_summary_is_short_whatever_the_names_are() -> None:
    estimate = msgspec.structs.replace(ESTIMATE, band="x" * 200, model="m" * 200)
    card = cards.card(estimate, encounter(), [], "")
    assert len(card["summary"]) < 140 and len(card["source"]["label"]) <= 80


@pytest.mark.parametrize("band", [*BAND_NAMES, ""])
def test_only_raised_risks_come_with_a_suggestion_and_only_high_ones_warn(band: str) -> None:
    card = cards.card(msgspec.structs.replace(ESTIMATE, band=band), encounter(), [], "")
    assert ("suggestions" in card) == ("selectionBehavior" in card) == (band in ("raised", "high", "very high"))
    assert card["indicator"] == ("warning" if band in ("high", "very high") else "info")
    assert card["detail"].startswith(
        f"**23.0%** within 30 days ({band} risk), " if band else "**23.0%** within 30 days, "
    )


def test_the_detail_says_why_and_what_is_not_known() -> None:
    shares = [("number_inpatient", 0.4), ("history", -0.2), ("diagnoses", 0.1)]
    detail = cards.card(ESTIMATE, encounter(), shares, "log_odds")["detail"]
    assert "| Inpatient stays in the year before | raises | +0.40 |" in detail
    assert "| Earlier stays known here | lowers | -0.20 |" in detail
    assert "**Not known:** Race" in detail and "Assumed" not in detail
    assert "not known: the model cannot say" in cards.card(ESTIMATE, encounter(), [], "")["detail"]


def test_the_links_need_the_url_of_the_api() -> None:
    assert "links" not in cards.card(ESTIMATE, encounter(), [], "")
    linked = msgspec.structs.replace(ESTIMATE, card_url="https://api.example.org/model-card")
    assert cards.card(linked, encounter(), [], "")["links"][0]["url"] == "https://api.example.org/model-card"


def test_the_detail_has_the_scores_that_clinicians_know_with_their_maximum() -> None:
    scores = describe_scores(decode(json.dumps({**EXAMPLE, "number_inpatient": 3}).encode()))
    detail = cards.card(ESTIMATE, encounter(), [], "", scores)["detail"]
    (line,) = (line for line in detail.splitlines() if line.startswith("**Known scores**"))
    for each in scores:
        maximum = "" if each.maximum is None else f" of {each.maximum}"
        assert f"{each.label} {each.points}{maximum}" in line
    assert "Known scores" not in cards.card(ESTIMATE, encounter(), [], "")["detail"]
