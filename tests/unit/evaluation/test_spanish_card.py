"""The Spanish model card: every piece has its twin, and every figure is that of the English one."""

import re
from dataclasses import replace
from datetime import date

import pandas as pd
import pytest

from readmission.contract.risk import OperatingPoint
from readmission.evaluation import dossier, gates, model_card, spanish_card
from readmission.evaluation.gates import Check, Verdict
from readmission.evaluation.in_use import CardCounts, LiveFigure
from readmission.evaluation.model_card import Facts
from readmission.evaluation.site_facts import SiteFacts
from readmission.features.known_scores import SCORES
from serving.demo import language
from tests.unit.evaluation.test_refits import RECORD

TODAY = date(2026, 11, 27)
#: What programs read, and names: the same in both languages.
SAME = {"LACE", "HOSPITAL", "ROC-AUC", "PR-AUC", "roc_auc_30", "disagree", "age", "lightgbm"}


def judged(site: SiteFacts) -> Verdict:
    """Return a verdict with every gate of the package, one waived, and what people decide."""
    checks = []
    for gate in gates.read_gates(None):
        kind, bound = gate.limit(50_000)
        checks.append(
            Check(
                gate=gate.name,
                figure=gate.figure,
                value=0.1,
                limit=f"{kind.replace('_', ' ')} {bound:g}",
                passed=True,
                reason=gate.reason,
            )
        )
    checks[0] = replace(checks[0], waived="Ada: 60 events")
    checks[1] = replace(checks[1], value=None, passed=False)
    back = "A person rolled back from this version, so only a person may let it return."
    limit = "0, or let return by --again with a reason"
    checks.append(replace(checks[2], gate="not_rolled_back", figure="rolled_back", limit=limit, reason=back))
    return Verdict((*checks, dossier.check_site(site, TODAY)))


@pytest.fixture
def cards(facts: Facts) -> list[str]:
    """Give English cards that together have every piece that a card can have."""
    figure = LiveFigure(version="3", measured_on=TODAY, group="all", metric="roc_auc_30", encounters=4321, value=0.6789)
    counts = CardCounts(version="3", outcome="overridden", reason="disagree", cards=17)
    row = {"version": "3", "family": "lightgbm", "batches": "1-7", "same data": "yes"}
    quality = {"roc auc 30": 0.65, "pr auc 30": 0.24, "ece 30": 0.01, "accuracy": 0.6}
    stated = SiteFacts(**{name: "x" for name in SiteFacts.model_fields if name != "review_due"}, review_due=TODAY)
    lineage = ("batches", "code systems of the diagnoses", "code", "commit", "packages", "image")
    whole = replace(
        facts,
        rows={"train": 7000, "validation": 1400, "test": 1500},
        patients={"train": 5000, "validation": 1000, "test": 1100},
        comparisons=[replace(facts.comparisons[0], score=score) for score in SCORES],
        verdict=judged(stated),
        earlier=pd.DataFrame([row | quality]),
        live=(figure,),
        feedback=(counts, replace(counts, outcome="accepted", reason="")),
        lineage=dict(facts.lineage) | dict.fromkeys(lineage, "x"),
        refit=RECORD,
        synthetic=True,
    )
    by_cost = OperatingPoint(rule="cost 10:1", threshold=0.1, alerts=0.3, recall=0.5, precision=0.2)
    bare = replace(facts, verdict=judged(SiteFacts()), points=(by_cost,))
    return [model_card.markdown(each) for each in (whole, bare)]


def test_no_piece_lacks_its_twin(cards: list[str]) -> None:
    names = {name for gate in gates.read_gates(None) for name in (gate.name, gate.figure)}
    names |= {
        "open_site_facts",
        "site_facts_stated",
        "not_rolled_back",
        "rolled_back",
        "race Asian",
        "race Other",
    } | SAME
    assert {piece for card in cards for piece in spanish_card.untranslated(card)} - names == set()


def test_no_twin_is_left_over(cards: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    used: set[str] = set()

    class Recorded(dict[str, str]):
        def get(self, piece: str, default: str | None = None) -> str | None:  # type: ignore[override]
            used.add(piece)
            return super().get(piece, default)

    twins = dict(spanish_card.TWINS)
    monkeypatch.setattr(spanish_card, "TWINS", Recorded(twins))
    for card in cards:
        spanish_card.translate(card)
    assert twins.keys() - used == set()


def test_twins_have_the_values_of_their_pieces() -> None:
    for piece, twin in spanish_card.TWINS.items():
        assert piece.count("#") == twin.count("#") and piece.count("|") == twin.count("|"), piece


def test_every_figure_stands_in_its_line(cards: list[str]) -> None:
    for card in cards:
        spanish = spanish_card.translate(card).removesuffix(f"\n{spanish_card.REST}\n").split("\n")
        for line, twin in zip(card.split("\n"), spanish, strict=True):
            assert re.findall(r"\d+", line) == re.findall(r"\d+", twin), line
            assert line.count("|") == twin.count("|"), line


def test_card_and_page_translate_alike() -> None:
    shared = spanish_card.TWINS.keys() & language.TEXTS["es"].keys()
    page_only = {"found", "by", "Data", "all"}
    different = {text for text in shared if spanish_card.TWINS[text] != language.TEXTS["es"][text]}
    assert shared and different - page_only == set()


def test_the_page_is_spanish_and_says_where_the_dossier_is(facts: Facts) -> None:
    page = dossier.files(facts, SiteFacts(), TODAY)[dossier.SPANISH]
    for part in ('lang="es"', "Ficha del modelo: readmission", "Para qué sirve", "El expediente", "0.1018 [0.0842"):
        assert part in page, part
    assert "TRIPOD" not in page
