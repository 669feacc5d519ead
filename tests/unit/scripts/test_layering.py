"""The diagram of the layers."""

from pathlib import Path

import layering
import pytest

PYPROJECT = """
[[tool.importlinter.contracts]]
type = "layers"
layers = ["top", "left | right"]
[[tool.importlinter.contracts]]
type = "layers"
containers = ["top"]
layers = ["door", "room | other"]
[[tool.importlinter.contracts]]
type = "layers"
containers = ["left"]
layers = ["hall"]
[[tool.importlinter.contracts]]
type = "layers"
containers = ["right"]
layers = ["hall"]
[[tool.importlinter.contracts]]
type = "layers"
containers = ["top.room"]
layers = ["cupboard"]
[[tool.importlinter.contracts]]
type = "independence"
"""


def test_packages_and_their_layers_are_drawn() -> None:
    lines = layering.diagram(PYPROJECT).splitlines()
    assert '    top0["door"] --> top1["room, other"]' in lines
    assert "  top --> left & right" in lines
    assert not any("cupboard" in line for line in lines)


def test_a_page_without_a_place_for_the_diagram_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/architecture.md").write_text("# Architecture\n")
    monkeypatch.setattr(layering, "ROOT", tmp_path)
    with pytest.raises(ValueError, match=r"docs/architecture\.md needs the lines"):
        layering.files()
