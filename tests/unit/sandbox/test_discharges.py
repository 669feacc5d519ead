"""What a terminal shows of a discharge."""

import io
from typing import Any

from rich.console import Console

from readmission.sandbox import discharges
from readmission.sandbox.record_system import HookCall

CARD = {
    "summary": "Readmission within 30 days: 23%, high risk",
    "indicator": "warning",
    "detail": "**23.1%** within 30 days\n\n| a | b |\n|---|---|\n| Age | raises |",
    "source": {"label": "readmission, version 3"},
    "suggestions": [{"label": "Plan a call", "uuid": "u"}],
    "overrideReasons": [{"display": "I judge the risk differently"}],
}
OUTSIDE = {"cards": [], "extension": {"urn:readmission:no-card": [{"allowed": "a patient with diabetes"}]}}


def call(answer: dict[str, Any]) -> HookCall:
    request = {"context": {"patientId": "p", "encounterId": "e"}, "prefetch": {}}
    return HookCall(request=request, status=200, answer=answer, seconds=0.012)


def printed(show: Any, *arguments: Any) -> str:
    console = Console(width=100, record=True, file=io.StringIO())
    show(console, *arguments)
    return console.export_text()


def test_a_card_is_shown_whole() -> None:
    text = printed(discharges._show_card, CARD)
    for part in ("warning · readmission, version 3", "23%, high risk", "23.1%", "raises", "Plan a call", "differently"):
        assert part in text


def test_the_table_says_why_a_patient_has_no_card() -> None:
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(discharges._table([call({"cards": [CARD]}), call(OUTSIDE)]))
    text = console.export_text()
    assert "23%, high risk" in text and "no card: a patient with diabetes" in text and "12" in text


def test_the_highest_risk_comes_first() -> None:
    assert discharges._risk(call({"cards": [CARD]})) == 23 and discharges._risk(call(OUTSIDE)) == -1
