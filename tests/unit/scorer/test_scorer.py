"""The compiled scorer is the Pipeline: every family, every level, unknowns, and artifacts that must not load."""

import io
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.pipeline import Pipeline

from readmission import contract, models, scorer
from readmission.data import synthetic
from readmission.features import encoding, history, visits
from readmission.files import file_sha256
from readmission.scorer import compiler, manifest, trees
from readmission.scorer.forest import TreeScorer
from readmission.scorer.invented import invented_rows
from readmission.scorer.linear import LinearScorer
from readmission.scorer.manifest import ArtifactError
from readmission.scorer.pipeline import dump_pipeline, load_pipeline, to_frame, to_values
from readmission.scorer.rows import columns_of

#: Family -> its fitted Pipeline and the folder of its artifact.
Compiled = dict[str, tuple[Pipeline, Path]]

#: family -> parameters that keep the test short, and the engine that must serve it.
FAMILIES: dict[str, tuple[dict[str, Any], str]] = {
    "logistic_regression": ({"max_iter": 20}, "linear"),
    "decision_tree": ({}, "lightgbm"),
    "random_forest": ({"n_estimators": 5}, "lightgbm"),
    "gradient_boosting": ({"max_iter": 5}, "lightgbm"),
    "lightgbm": ({"n_estimators": 20}, "lightgbm"),
    "xgboost": ({"n_estimators": 20}, "lightgbm"),
}


#: So that few rows are enough for splits by history.
SENSITIVE: dict[str, dict[str, Any]] = {"lightgbm": {"min_child_samples": 5}, "xgboost": {"min_child_weight": 1.0}}


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    text = pd.read_csv(io.BytesIO(synthetic.generate(1500, seed=3)), dtype=str, keep_default_na=False, skiprows=1)
    return encoding.typed_frame(text)


@pytest.fixture(scope="module")
def compiled(frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    folders = {}
    for family, (params, _) in FAMILIES.items():
        fitted = models.build(family, params).fit(frame, encoding.target(frame))
        folder = tmp_path_factory.mktemp(family)
        compiler.compile_pipeline(
            fitted, folder, family=family, sample=frame[:300], metrics={"test_accuracy": 0.5}, synthetic=True
        )
        folders[family] = (fitted, folder)
    return folders


@pytest.mark.parametrize("family", FAMILIES)
def test_a_compiled_model_answers_as_its_pipeline(compiled: Compiled, family: str) -> None:
    fitted, folder = compiled[family]
    loaded = scorer.load(folder)
    rows = [*invented_rows(500, seed=11), (None,) * len(contract.FEATURE_COLUMNS)]
    expected = fitted.predict_proba(to_frame(rows))
    assert loaded.manifest.engine == FAMILIES[family][1]
    assert loaded.manifest.parity.rows == 3300 and loaded.manifest.parity.max_difference <= 1e-6
    assert np.abs(np.array([loaded.score(row) for row in rows]) - expected).max() <= 1e-6
    assert np.abs(np.array(loaded.score_many(columns_of(rows))) - expected).max() <= 1e-6
    assert scorer.check_golden(loaded, manifest.read_golden(folder)) <= 1e-6
    if family in ("lightgbm", "xgboost", "gradient_boosting"):
        # Their trees are small enough for bits; those that are not are walked, with the same answers.
        assert isinstance(loaded, TreeScorer) and loaded._bits is not None
        loaded._bits = None
        assert np.abs(loaded.score_many(columns_of(rows)) - expected).max() <= 1e-6


@pytest.mark.parametrize("family", FAMILIES)
def test_contributions_add_up_to_the_margin(compiled: Compiled, family: str) -> None:
    fitted, folder = compiled[family]
    row = invented_rows(1, seed=5)[0]
    explanation = scorer.load(folder).explain(row)
    assert explanation is not None
    total = explanation.base + sum(explanation.contributions.values())
    assert total == pytest.approx(explanation.margin, abs=1e-6)
    assert set(explanation.contributions) <= {*contract.FEATURE_NAMES, "diagnoses", "history"}
    if explanation.unit == "log_odds":
        early = fitted.predict_proba(to_frame([row]))[0, contract.EARLY]
        assert 1 / (1 + np.exp(-explanation.margin)) == pytest.approx(early, abs=1e-6)


@pytest.mark.parametrize("family", ["lightgbm", "random_forest", "decision_tree"])
def test_the_parts_that_explain_add_up_to_the_whole_model(compiled: Compiled, family: str) -> None:
    loaded = scorer.load(compiled[family][1])
    assert isinstance(loaded, TreeScorer)
    for row in invented_rows(5, seed=6):
        whole = loaded._trees.contributions(loaded._rows.row(row))
        parts = np.sum([part.contributions(loaded._rows.row(row)) for part in loaded._parts], axis=0)
        assert parts == pytest.approx(whole[-len(parts) :], abs=1e-9)


@pytest.mark.parametrize("family", ["lightgbm", "xgboost", "logistic_regression"])
def test_the_history_of_a_known_patient_is_served_as_it_was_trained(
    family: str, frame: pd.DataFrame, tmp_path: Path
) -> None:
    table = history.add(frame)
    assert (table["history_count"] > 0).sum() > 100
    fitted = models.build(family, FAMILIES[family][0] | SENSITIVE.get(family, {})).fit(table, encoding.target(table))
    written = compiler.compile_pipeline(
        fitted, tmp_path, family=family, sample=table, metrics={}, synthetic=True, visits=history.pack(frame)
    )
    assert written.parity.rows == len(table) + 3000 and written.parity.max_difference <= 1e-6
    loaded = scorer.load(tmp_path)
    assert isinstance(loaded, TreeScorer | LinearScorer)
    returned = table[table["history_count"] > 0]
    expected = fitted.predict_proba(returned)
    rows = to_values(returned)
    assert np.abs(np.array(loaded.score_many(columns_of(rows))) - expected).max() <= 1e-6
    # It matters, and without a number or with an unknown one every visit is a first one.
    first = fitted.predict_proba(returned.drop(columns=list(visits.HISTORY_NAMES)))
    assert np.abs(expected - first).max() > 1e-4
    for nobody in ((None, None), (None, 10**17), (10**17, None)):
        strangers = [(*row[: len(contract.FEATURE_COLUMNS)], *nobody) for row in rows]
        many = loaded._rows.matrix(columns_of([*rows, *strangers]))
        assert many.tobytes() == b"".join(map(loaded._rows.row, [*rows, *strangers]))
        assert np.abs(np.array(loaded.score_many(columns_of(strangers))) - first).max() <= 1e-6


@pytest.mark.parametrize("family", ["lightgbm", "logistic_regression"])
def test_decimals_of_a_code_change_no_answer_but_flags(compiled: Compiled, family: str) -> None:
    """A hospital that sends 427.31 gets the model that was judged on 427: no comorbidity group tells them apart."""
    loaded = scorer.load(compiled[family][1])
    rows = [dict(zip(contract.FEATURE_NAMES, row, strict=False)) for row in invented_rows(50)]
    cut, whole = ([tuple((row | {"diag_1": code}).values()) for row in rows] for code in ("427", "427.31"))
    assert [loaded.score(row) for row in cut] == [loaded.score(row) for row in whole]


@pytest.mark.parametrize("family", ["lightgbm", "fallback"])
def test_a_model_of_the_version_before_answers_full_codes_as_it_did(
    family: str, frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its encoder and its recipe do not state a grain: they read the whole code."""
    if family == "fallback":
        monkeypatch.setattr(compiler, "_ensemble", None)  # calling it is a TypeError, as for an unknown classifier
    coded = frame.assign(diag_1=[f"428.{i % 100:02d}" for i in range(len(frame))])
    encode = models.Encoder(("diag_1_number", "age", "gender", "time_in_hospital"), "whole")
    y = (np.arange(len(frame)) % 100 > 50) * 2 + (np.arange(len(frame)) % 7 == 0)
    classify = models.build("lightgbm", {"n_estimators": 5}).named_steps["classify"].set_params(categorical=())
    fitted = Pipeline([("encode", encode), ("classify", classify)]).fit(coded, np.minimum(y, 2))
    del encode.__dict__["grain"]
    compiler.compile_pipeline(
        fitted, tmp_path, family="lightgbm", sample=coded[:300], metrics={}, synthetic=True, visits=history.pack(coded)
    )
    if family == "lightgbm":
        recipe = json.loads((tmp_path / "scorer.json").read_text())
        assert recipe["layout"].pop("grain") == "whole"
        (tmp_path / "scorer.json").write_text(json.dumps(recipe))
        stored = json.loads((tmp_path / "manifest.json").read_text())
        stored["files"]["scorer.json"] = file_sha256(tmp_path / "scorer.json")
        (tmp_path / "manifest.json").write_text(json.dumps(stored))
    answers = np.array(scorer.load(tmp_path).score_many(columns_of(to_values(coded[:300]))))
    assert len(np.unique(answers[:, 2].round(6))) > 1
    np.testing.assert_allclose(answers, fitted.predict_proba(coded[:300]), atol=1e-6)


def test_values_and_frames_are_each_others_inverse(frame: pd.DataFrame) -> None:
    back = to_frame(to_values(frame))
    names = [*contract.FEATURE_NAMES, *contract.IDENTIFIERS]
    pd.testing.assert_frame_equal(back, frame[names].reset_index(drop=True))


def test_a_wrong_translation_is_not_served(
    compiled: Compiled, frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted, _ = compiled["xgboost"]
    right = trees.of_xgboost

    def wrong(heads: Sequence[Any], positions: Sequence[int]) -> trees.Ensemble:
        ensemble = right(heads, positions)
        return trees.Ensemble(ensemble.blocks, (ensemble.base[0] + 1e-4, ensemble.base[1]), ensemble.single)

    monkeypatch.setattr(trees, "of_xgboost", wrong)
    with pytest.raises(ArtifactError, match="away from its Pipeline"):
        compiler.compile_pipeline(fitted, tmp_path, family="xgboost", sample=frame[:50], metrics={}, synthetic=True)
    with pytest.raises(ArtifactError, match="has no manifest"):
        scorer.load(tmp_path)


@pytest.fixture
def folder(compiled: Compiled, tmp_path: Path) -> Path:
    for path in compiled["lightgbm"][1].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def test_a_changed_file_is_refused(folder: Path) -> None:
    path = folder / compiler.TREES
    path.write_bytes(path.read_bytes().replace(b"leaf_value=", b"leaf_value=1", 1))
    with pytest.raises(ArtifactError, match=r"trees\.txt is missing or is not what was compiled"):
        scorer.load(folder)


def test_another_contract_version_is_refused(folder: Path) -> None:
    path = folder / manifest.MANIFEST
    path.write_bytes(msgspec.json.encode(json.loads(path.read_bytes()) | {"contract_version": 99}))
    with pytest.raises(ArtifactError, match="contract version 99"):
        scorer.load(folder)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_survives_the_fallback_s_file(
    compiled: Compiled, family: str, frame: pd.DataFrame, tmp_path: Path
) -> None:
    fitted, _ = compiled[family]
    dump_pipeline(fitted, tmp_path / "pipeline.skops")
    again = load_pipeline(tmp_path / "pipeline.skops")
    assert np.array_equal(again.predict_proba(frame[:50]), fitted.predict_proba(frame[:50]))


@pytest.mark.parametrize("untrusted", [subprocess.Popen, np.memmap], ids=lambda t: t.__name__)
def test_an_untrusted_type_is_neither_written_nor_loaded(untrusted: type, tmp_path: Path) -> None:
    path = tmp_path / "evil.skops"
    with pytest.raises(ArtifactError, match=untrusted.__name__):
        dump_pipeline({"run": untrusted}, path)
    path.write_bytes(skops.io.dumps({"run": untrusted}))
    with pytest.raises(ArtifactError, match=untrusted.__name__):
        load_pipeline(path)


def test_golden_rows_that_differ_are_refused(compiled: Compiled) -> None:
    loaded = scorer.load(compiled["lightgbm"][1])
    rows = manifest.read_golden(compiled["lightgbm"][1])
    no, late, early = rows[0].probabilities
    with pytest.raises(ArtifactError, match="golden rows"):
        scorer.check_golden(loaded, [manifest.Golden(rows[0].request, (no - 0.01, late, early + 0.01))])
