"""The picture of one answer."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readmission import contract
from readmission.contract.risk import BAND_NAMES
from serving.demo.answer import draw_answer, round_to_hundred
from serving.demo.language import speaking


def content(**values: Any) -> dict[str, Any]:
    """Build an answer of POST /predict."""
    answer: dict[str, Any] = {"prediction_id": "1", "prediction": "NO", "readmission_risk_30d": 0.1}
    answer |= {"probabilities": {"NO": 0.7, ">30": 0.2, "<30": 0.1}, "risk_band": "raised"}
    return answer | {"model_name": "m", "model_version": "1", "missing": []} | values


@given(st.tuples(*[st.floats(0.001, 1)] * 3))
def test_hundred_patients_are_a_hundred(weights: tuple[float, float, float]) -> None:
    probabilities = {name: w / sum(weights) for name, w in zip(contract.CLASSES, weights, strict=True)}
    counts = round_to_hundred(probabilities)
    assert sum(counts.values()) == 100
    assert all(abs(counts[name] - 100 * probabilities[name]) < 1.001 for name in counts)
    assert f"{counts['<30']}%" == f"{probabilities['<30']:.0%}", "as the headline says it"


@pytest.mark.parametrize("name", BAND_NAMES)
def test_headline_is_the_models_own_band(name: str) -> None:
    drawn = draw_answer(content(risk_band=name))
    assert f'<p class="band">{name.capitalize()} risk</p>' in drawn
    assert f'class="answer {name.replace(" ", "-")}"' in drawn


@pytest.mark.parametrize("values", [{"risk_band": ""}, {"risk_band": None}])
def test_model_without_bands_shows_none(values: dict[str, Any]) -> None:
    drawn = draw_answer(content(**values))
    assert 'class="band"' not in drawn
    assert not any(f"{name.capitalize()} risk" in drawn for name in BAND_NAMES)


def test_risk_is_compared_with_the_versions_prevalence_only() -> None:
    assert "of all patients, about 12 do" in draw_answer(content(), {"prevalence": 0.115})
    assert "of all patients" not in draw_answer(content())


def test_text_of_the_api_is_escaped() -> None:
    drawn = draw_answer(
        content(prediction_id="<b>", model_name="<script>", missing=["race"], notes=["<i>"], risk_band="<q>")
    )
    assert not any(tag in drawn for tag in ("<script>", "<q>", "<code><b>", "<i>"))
    assert "1 field left empty" in drawn
    assert "Race" in drawn


def test_assumed_fields_are_listed_by_what_was_assumed() -> None:
    drawn = draw_answer(content(missing=["race", "insulin", "A1Cresult"]))
    assert "3 fields left empty" in drawn
    for meaning in ("Drug not prescribed</dt><dd>Insulin", "Not tested</dt><dd>", "Not known</dt><dd>Race"):
        assert meaning in drawn


def test_certainty_is_what_became_of_the_test_patients_of_the_band() -> None:
    tested = {"encounters": 700, "rate": 0.354, "low": 0.311, "high": 0.405}
    info = {"risk_bands": [{"name": "usual"}, {"name": "raised", "tested": tested}]}
    assert "Of 100 test patients in this band, <b>35</b> came back within 30 days (31 to 40)" in draw_answer(
        content(), info
    )
    assert "test patients" not in draw_answer(content(risk_band="usual"), info)


def test_a_group_that_the_version_serves_worse_is_named_to_its_patients_alone() -> None:
    figures = {"roc_auc": 0.59, "observed": 0.149, "predicted": 0.113}
    info = {
        "doubts": [
            {"column": "age", "level": "[90-100)", "doubt": "ranks poorly", **figures},
            {"column": "age", "level": "[20-30)", "doubt": "too low", **figures},
            {"column": "age", "level": "[20-30)", "doubt": "of a newer API", **figures},
        ]
    }
    drawn = draw_answer(content(), info, record={"age": "[90-100)"})
    assert "90–99 years</b>: the model tells patients of this group apart less well" in drawn
    assert "too low" not in drawn
    assert "than estimated (15% against 11%), so the risk may be too low" in draw_answer(
        content(), info, record={"age": "[20-30)"}
    )
    assert "this group" not in draw_answer(content(), info, record={"age": "[70-80)"})


def test_history_is_stated_as_it_was_entered() -> None:
    drawn = draw_answer(content(), record={"number_inpatient": 4})
    assert "for the year before: inpatient stays: 4; emergency visits: not known; outpatient visits: not known" in drawn
    assert "no stored stay" in drawn


def test_an_answer_is_spanish_throughout() -> None:
    info = {"prevalence": 0.11, "risk_bands": [{"name": "raised", "tested": {"rate": 0.35, "low": 0.3, "high": 0.4}}]}
    with speaking("es"):
        drawn = draw_answer(content(missing=["race", "insulin"]), info, record={"number_inpatient": 4})
    for text in ("Riesgo aumentado", "10\u00a0%", "unos 10", "70,0\u00a0%", "hospitalizaciones: 4", "2 campos vacíos"):
        assert text in drawn
    assert not {"of", "the", "risk", "patients", "field", "version", "days"} & set(re.findall(r"\w+", _visible(drawn)))


def _visible(html: str) -> str:
    return re.sub(r"<[^>]+>", " ", html)
