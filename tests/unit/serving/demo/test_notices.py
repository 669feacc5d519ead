"""Notices of the page: head, checks, summary of a file, errors."""

from collections import Counter
from pathlib import Path

import pytest
import yaml

from readmission import evaluation
from readmission.contract.risk import BAND_NAMES, INTENDED_USE
from serving.demo import notices
from serving.demo.batch import Tally
from serving.demo.language import speaking


def test_header_says_when_the_data_are_synthetic() -> None:
    info = {"model_name": "m", "model_version": "3", "synthetic": True}
    assert "Synthetic data" in notices.draw_header(info)
    assert "Synthetic data" not in notices.draw_header({**info, "synthetic": False})
    assert "cannot be reached" in notices.draw_header(None, "The prediction service cannot be reached.")


def test_header_lists_the_checks_of_the_version() -> None:
    fair = {"gate": "fair_risk", "value": 1.21, "limit": "at most 1.25", "passed": True, "reason": "four"}
    leak = {**fair, "gate": "leak_roc_auc_test", "value": None, "passed": False}
    info = {"model_name": "m", "model_version": "3", "synthetic": False}
    header = notices.draw_header({**info, "gates": [fair, leak, {**leak, "passed": True}]})
    assert "passed 2 of 3 checks" in header
    assert "It serves recorded races" in header
    assert "calibrated" not in header, "no such check was made"
    assert "knows more" not in header, "one of its checks failed"
    assert "checks" not in notices.draw_header(info)
    gates = yaml.safe_load((Path(evaluation.__file__).parent / "gates.yaml").read_text())
    prefixes = {gate["name"].split("_")[0] for gate in gates}
    assert set(notices._CHECKS) <= prefixes


def test_header_links_the_page_in_the_other_language() -> None:
    assert '<a href="es/" lang="es" hreflang="es">Español</a>' in notices.draw_header(None)
    with speaking("es"):
        header = notices.draw_header({"model_name": "m", "model_version": "3", "synthetic": True})
    assert '<a href="../?language=en" lang="en" hreflang="en">English</a>' in header
    assert "Datos sintéticos." in header and "Riesgo de reingreso" in header


def test_report_is_spanish() -> None:
    tally = Tally(rows=2600, failed=1, bands=Counter({"high": 2599}), errors=[(3, "x")], highest=[(0.4, 2, "", "high")])
    with speaking("es"):
        report = notices.draw_report(tally)
    for text in ("2\u202f599 de 2\u202f600 filas evaluadas", "1 fila no se pudo evaluar", "Riesgo alto", "40\u00a0%"):
        assert text in report


def test_report_counts_the_models_bands() -> None:
    tally = Tally(rows=11, failed=1, bands=Counter({"usual": 8, "very high": 2}), errors=[(3, "age: <b>")])
    report = notices.draw_report(tally)
    assert "10 of 11 rows scored" in report
    assert "1 row could not be scored" in report
    assert "age: &lt;b&gt;" in report
    positions = [report.index(f"{name.capitalize()} risk") for name in BAND_NAMES]
    assert positions == sorted(positions)
    assert 'class="usual" style="width:80.0%"' in report


def test_report_of_a_model_without_bands_has_no_bars() -> None:
    assert "bar" not in notices.draw_report(Tally(rows=2))


def test_problem_of_the_api_is_escaped_and_leads_to_its_field() -> None:
    drawn = notices.draw_problems([{"field": "age", "problem": "<s>", "allowed": "<q>"}], {})
    assert 'href="#field-age"' in drawn
    assert "<s>" not in drawn
    assert "<q>" not in drawn


@pytest.mark.parametrize("info", [None, {"model_name": "m", "model_version": "3"}])
def test_header_states_the_intended_use(info: dict[str, str] | None) -> None:
    assert INTENDED_USE in notices.draw_header(info)


def test_readme_states_the_same_intended_use() -> None:
    assert INTENDED_USE in " ".join((Path(__file__).parents[4] / "README.md").read_text().split())
