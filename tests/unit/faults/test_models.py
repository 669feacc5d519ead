"""Second model: whole, made once, and damaged in each of the ways that must be refused."""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from faults import artifacts
from faults.models import compile_other
from faults.site import Site
from readmission.scorer.manifest import ArtifactError, read_manifest


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = compile_other(tmp_path_factory.mktemp("models"))
    assert compile_other(folder.parent) == folder
    return folder


def test_it_is_a_whole_artifact(compiled: Path) -> None:
    assert read_manifest(compiled).family == "decision_tree"


@pytest.mark.parametrize("damage", [artifacts.corrupt, artifacts.truncated, artifacts.foreign])
def test_damage_is_seen_before_anything_is_loaded(
    compiled: Path, tmp_path: Path, damage: Callable[[Path, Site], None]
) -> None:
    shutil.copytree(compiled, tmp_path / "damaged")
    damage(tmp_path / "damaged", cast(Site, None))
    with pytest.raises(ArtifactError):
        read_manifest(tmp_path / "damaged")


def test_swapped_golden_rows_have_a_manifest_that_matches(compiled: Path, tmp_path: Path) -> None:
    champion = tmp_path / "api" / "models" / "m" / "1"
    champion.mkdir(parents=True)
    (champion / "golden.json").write_text("[]")
    site = SimpleNamespace(
        api=SimpleNamespace(home=tmp_path / "api"),
        settings=SimpleNamespace(mlflow=SimpleNamespace(model_name="m")),
        champion="1",
    )
    shutil.copytree(compiled, tmp_path / "swapped")
    artifacts.swapped(tmp_path / "swapped", cast(Site, site))
    read_manifest(tmp_path / "swapped")
    assert (tmp_path / "swapped" / "golden.json").read_text() == "[]"
