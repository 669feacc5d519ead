"""What is on disk is served, and a model that cannot be loaded changes nothing."""

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from serving import metrics
from serving.predict import worker_status
from serving.predict.aliases import Aliases, read_aliases
from serving.predict.loaded_models import LoadedModel, LoadedModels


def model(version: str) -> LoadedModel:
    scorer: Any = None
    return LoadedModel(
        name="m",
        version=version,
        scorer=scorer,
        loaded_at="",
        inline=True,
        bands=("low", "middle", "high"),
        edges=(0.1, 0.3),
        cards={},
    )


def test_a_risk_at_the_edge_is_in_the_band_above() -> None:
    names = [model("1").band(risk) for risk in (0.0, 0.09, 0.1, 0.29, 0.3, 1.0)]
    assert names == ["low", "low", "middle", "middle", "high", "high"]


@pytest.mark.parametrize("content", [None, b"", b"[]", b"{"])
def test_absent_or_damaged_aliases_are_empty(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "aliases.json").write_bytes(content)
    assert read_aliases(tmp_path) == Aliases()


def test_the_challenger_answers_its_share_of_keys_and_always_the_same(tmp_path: Path) -> None:
    models = LoadedModels(tmp_path, "m", share=0.3)
    models.champion, models.challenger = model("1"), model("2")
    keys = [str(number).encode() for number in range(2000)]
    variants = [models.route(key)[1] for key in keys]
    assert variants == [models.route(key)[1] for key in keys]
    assert 0.25 < variants.count("challenger") / len(keys) < 0.35


def test_a_model_that_cannot_be_loaded_leaves_the_champion_and_says_why(tmp_path: Path) -> None:
    models = LoadedModels(tmp_path, "m")
    models.champion = model("1")
    (tmp_path / "aliases.json").write_bytes(msgspec.json.encode(Aliases(champion="2", registry="ok")))
    models.refresh()
    assert models.champion.version == "1" and models.error.startswith("version 2 is not served")
    (status,) = models.workers()
    assert (status.pid, status.champion, status.error) == (os.getpid(), "1", models.error)
    models.stop()
    assert models.workers() == []


def test_a_challenger_may_leave_and_a_champion_may_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics.serving, "labels", lambda *_: metrics.up_since)
    fake = model("1")
    scorer: Any = type("Scorer", (), {"manifest": type("M", (), {"family": "f", "engine": "e", "synthetic": True})})()
    fake = msgspec.structs.replace(fake, scorer=scorer)
    models = LoadedModels(tmp_path, "m")
    models.champion = models.challenger = fake
    models.refresh()
    assert models.champion is fake and models.challenger is None


def loadable(monkeypatch: pytest.MonkeyPatch, models: LoadedModels, *versions: str) -> None:
    """Let some versions on disk be loaded and no other."""

    def load(version: str) -> LoadedModel:
        if version not in versions:
            raise ValueError("damaged")
        return model(version)

    monkeypatch.setattr(models, "_load", load)
    monkeypatch.setattr(models, "_swap", lambda variant, fresh: setattr(models, variant, fresh))


def name_aliases(folder: Path, champion: str, challenger: str = "") -> None:
    content = Aliases(champion=champion, challenger=challenger, registry="ok")
    (folder / "aliases.json").write_bytes(msgspec.json.encode(content))


def test_the_challengers_success_does_not_hide_the_champions_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = LoadedModels(tmp_path, "m")
    models.champion = model("1")
    loadable(monkeypatch, models, "3", "4")
    name_aliases(tmp_path, "2", "3")
    models.refresh()
    assert models.error.startswith("version 2 is not served")
    name_aliases(tmp_path, "4", "3")
    models.refresh()
    assert models.error == ""


def test_a_worker_that_starts_with_a_damaged_champion_serves_the_newest_other_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("8", "9", "10", "11"):
        (tmp_path / version).mkdir()
    models = LoadedModels(tmp_path, "m")
    loadable(monkeypatch, models, "8", "9")
    name_aliases(tmp_path, "11")
    models.refresh()
    assert models.champion is not None and models.champion.version == "9"
    assert models.error.startswith("version 11 is not served")


def test_a_full_disk_does_not_keep_a_worker_from_starting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(worker_status, "write_atomic", fail)
    models = LoadedModels(tmp_path, "m")
    loadable(monkeypatch, models, "1")
    name_aliases(tmp_path, "1")
    models.refresh()
    assert models.champion is not None
