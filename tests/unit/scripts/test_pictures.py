"""Pictures of the documentation: each is shown on a page, and the command knows how to take it."""

import io
import re
from pathlib import Path

import pictures
import pytest
from PIL import Image

from tests.conftest import free_port, make_settings

ROOT = Path(__file__).parents[3]


def test_every_picture_is_taken_by_the_command_and_shown_on_a_page(tmp_path: Path) -> None:
    stored = {path.stem for path in pictures.FOLDER.glob("*.png")}
    assert stored == set(pictures.pictures(make_settings(tmp_path)))
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    links = re.compile(r"!\[[^]]+\]\([\w./]*pictures/([\w-]+)\.png\)")
    assert {name for page in pages for name in links.findall(page.read_text())} == stored


def test_a_repository_can_hold_them() -> None:
    sizes = {path.name: path.stat().st_size for path in pictures.FOLDER.glob("*.png")}
    assert max(sizes.values()) < 250_000, sizes


def test_what_does_not_run_is_named_and_its_picture_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = make_settings(tmp_path, board_port=free_port(), api_port=free_port())
    monkeypatch.setattr(pictures, "load_settings", lambda: settings)
    monkeypatch.setattr(pictures, "FOLDER", tmp_path)
    (tmp_path / "status-page.png").write_bytes(b"before")
    assert pictures.main(["status-page"]) == 1
    assert "status-page.png stays as it is: the status page does not run" in capsys.readouterr().out
    assert (tmp_path / "status-page.png").read_bytes() == b"before"
    with pytest.raises(SystemExit):
        pictures.main(["nope"])
    assert "there is no picture nope" in capsys.readouterr().err


def test_few_colours_make_a_picture_smaller_and_keep_its_size() -> None:
    noise = Image.effect_noise((200, 100), 80).convert("RGB")
    target = io.BytesIO()
    noise.save(target, "PNG")
    small = pictures.smaller(target.getvalue())
    assert len(small) < len(target.getvalue()) and Image.open(io.BytesIO(small)).size == (200, 100)
