"""Every text of the page has its Spanish twin, and languages are chosen as the browser asks."""

import ast
import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from readmission import contract
from readmission.contract.risk import INTENDED_USE, NO_HORIZON
from readmission.features.known_scores import SCORES
from serving.demo import diagnoses, language
from serving.demo.labels import _LEVELS, RISK_BANDS, spell_out

DEMO = Path(language.__file__).parent


def marked_texts() -> Iterator[str]:
    """Yield every constant that the code passes to `tr` or `mark`."""
    for path in DEMO.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("tr", "mark"):
                argument = node.args[0]
                branches = [argument.body, argument.orelse] if isinstance(argument, ast.IfExp) else [argument]
                yield from (str(b.value) for b in branches if isinstance(b, ast.Constant))


def texts_of_others() -> Iterator[str]:
    """Yield the texts that the page takes from the contract, the diagnoses and the API."""
    yield from (INTENDED_USE, NO_HORIZON)
    yield from diagnoses.COMMON.values()
    yield from (label for label, _ in RISK_BANDS.values())
    for score in SCORES.values():
        yield from (score.label, score.limits)
    for column in (contract.ICD, *contract.FEATURE_COLUMNS):
        yield column.label
        yield from column.descriptions.values()
        if column.unit and column.levels:
            yield column.unit
        if column.name in ("race", "gender", "medical_specialty"):
            yield from (spell_out(level) for level in column.levels if level not in _LEVELS)


def all_texts() -> set[str]:
    return {text for text in (*marked_texts(), *texts_of_others()) if text}


@pytest.mark.parametrize("code", language.TEXTS)
def test_no_text_lacks_its_twin(code: str) -> None:
    assert sorted(all_texts() - language.TEXTS[code].keys()) == []


@pytest.mark.parametrize("code", language.TEXTS)
def test_no_twin_is_left_over(code: str) -> None:
    assert sorted(language.TEXTS[code].keys() - all_texts()) == []


@pytest.mark.parametrize("code", language.TEXTS)
def test_twins_name_the_same_values(code: str) -> None:
    for text, twin in language.TEXTS[code].items():
        assert sorted(re.findall(r"{\w+}", text)) == sorted(re.findall(r"{\w+}", twin)), text
        assert twin.strip()


def test_texts_reach_the_page_through_tr_alone() -> None:
    with language.speaking("es"):
        assert language.tr("Patient") == "Paciente"
        assert language.tr("a text of a newer API") == "a text of a newer API"
    assert language.tr("Patient") == "Patient"


def test_numbers_are_written_as_the_language_writes_them() -> None:
    assert (language.percent(0.409, 1), language.count(2599), language.factor(1.5)) == ("40.9%", "2,599", "1.50")
    with language.speaking("es"):
        assert language.percent(0.409, 1) == "40,9\u00a0%"
        assert language.count(2599) == "2\u202f599"
        assert language.factor(1.5) == "1,50"


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("", "en"),
        ("es", "es"),
        ("es-CO,es;q=0.9,en;q=0.8", "es"),
        ("en-US,en;q=0.9,es;q=0.8", "en"),
        ("de,es;q=0.5,en;q=0.3", "es"),
        ("de", "en"),
        ("es;q=0", "en"),
        ("*;q=x, es", "es"),
    ],
)
def test_language_is_the_browsers(header: str, code: str) -> None:
    assert language.preferred(header) == code


def test_steps_of_a_generator_speak_the_language_that_others_do_not() -> None:
    async def steps() -> AsyncIterator[str]:
        yield language.tr("Patient")
        yield language.tr("Patient")

    async def gather() -> list[str]:
        return [step + language.tr("Patient") async for step in language.speak_each("es", steps())]

    assert asyncio.run(gather()) == ["PacientePatient"] * 2
