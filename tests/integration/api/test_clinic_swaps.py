"""Cards while the model changes under them."""

import re
import threading
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from serving.clinic import hooks
from tests.integration.api.record_system import CALL, request, start_clinic, token
from tests.integration.api.tools import Api, install, until

SWAPS = 20


def discharge(api: Api, stop: threading.Event, answers: list[tuple[int, dict[str, Any]]]) -> None:
    """Discharge a patient again and again until told to stop, each time with a token of its own."""
    with httpx.Client(base_url=api.http.base_url, timeout=20, trust_env=False) as client:
        while not stop.is_set():
            answer = client.post(hooks.CALL, json=request(), headers={"authorization": f"Bearer {token(aud=CALL)}"})
            answers.append((answer.status_code, answer.json()))


def risk_and_version(card: dict[str, Any]) -> tuple[str, str]:
    """Return the risk in percent and the model version that a card states."""
    risk = re.match(r"\*\*([\d.]+)%\*\*", card["detail"])
    version = re.search(r"version (\d+)$", card["source"]["label"])
    assert risk and version, card
    return risk[1], version[1]


def test_twenty_swaps_under_discharges_fail_no_card_and_mix_no_models(
    compiled: dict[str, Path], tmp_path: Path
) -> None:
    api = start_clinic(tmp_path, compiled["lightgbm"])
    answers: list[tuple[int, dict[str, Any]]] = []
    stop = threading.Event()
    threads = [threading.Thread(target=discharge, args=(api, stop, answers)) for _ in range(3)]
    for thread in threads:
        thread.start()

    def is_loaded(version: int) -> bool:
        return all(worker["champion"] == str(version) for worker in api.info()["workers"])

    def is_answering(version: int) -> bool:
        return risk_and_version(answers[-1][1]["cards"][0])[1] == str(version)

    try:
        until(lambda: len(answers) > 5)
        for version in range(2, 2 + SWAPS):
            install(api.home, compiled["decision_tree" if version % 2 == 0 else "lightgbm"], str(version))
            until(partial(is_loaded, version))
            until(partial(is_answering, version))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert {status for status, _ in answers} == {200}
    stated = {risk_and_version(answer["cards"][0]) for _, answer in answers}
    assert len({version for _, version in stated}) == SWAPS + 1
    risks = {kind: {risk for risk, version in stated if int(version) % 2 == kind} for kind in (0, 1)}
    assert len(risks[0]) == len(risks[1]) == 1 and risks[0] != risks[1], risks
    assert api.stop() == 0


def test_a_canary_answers_discharges_and_is_counted_as_one(compiled: dict[str, Path], tmp_path: Path) -> None:
    install(tmp_path, compiled["decision_tree"], "8", alias="challenger")
    canary = {"READMISSION_CHALLENGER": "canary", "READMISSION_CHALLENGER_SHARE": "1"}
    api = start_clinic(tmp_path, compiled["lightgbm"], canary)
    until(lambda: api.info()["challenger"])
    stop, answers = threading.Event(), list[tuple[int, dict[str, Any]]]()
    thread = threading.Thread(target=discharge, args=(api, stop, answers))
    thread.start()
    until(lambda: len(answers) > 3)
    stop.set()
    thread.join()
    assert {status for status, _ in answers} == {200}
    assert {risk_and_version(answer["cards"][0])[1] for _, answer in answers} == {"8"}
    until(lambda: api.metric("readmission_predictions_total", variant="challenger", model_version="8") == len(answers))
    assert api.stop() == 0
