"""Aliases reach the disk; whatever fails leaves what is served as it is."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from readmission.scorer.manifest import MANIFEST
from readmission.settings import Settings
from serving.predict.loaded_models import Aliases, read_aliases
from serving.sidecar.model_sync import ModelSync

Handler = Callable[[httpx.Request], httpx.Response]


def sync(home: Path, handler: Handler) -> ModelSync:
    models = ModelSync(Settings(home=home))
    models._http = httpx.Client(base_url="http://registry", transport=httpx.MockTransport(handler))
    return models


def aliases(**versions: str) -> Handler:
    content = {"registered_model": {"aliases": [{"alias": a, "version": v} for a, v in versions.items()]}}
    return lambda _: httpx.Response(200, json=content)


def place(models: ModelSync, version: str) -> None:
    folder = models.folder / version
    folder.mkdir(parents=True)
    (folder / MANIFEST).write_text("{}")


def test_a_version_on_disk_is_named(tmp_path: Path) -> None:
    models = sync(tmp_path, aliases(champion="4"))
    place(models, "4")
    assert models.poll().champion == "4"
    written = read_aliases(models.folder)
    assert (written.champion, written.registry, written.error) == ("4", "ok", "")


def test_an_unchanged_registry_does_not_touch_the_file(tmp_path: Path) -> None:
    models = sync(tmp_path, aliases(champion="4"))
    place(models, "4")
    models.poll()
    before = (models.folder / "aliases.json").stat().st_mtime_ns
    models.poll()
    assert (models.folder / "aliases.json").stat().st_mtime_ns == before


@pytest.mark.parametrize("status", [500, 403])
def test_a_registry_that_cannot_be_read_keeps_the_champion(tmp_path: Path, status: int) -> None:
    models = sync(tmp_path, aliases(champion="4"))
    place(models, "4")
    models.poll()
    models._http = httpx.Client(
        base_url="http://registry", transport=httpx.MockTransport(lambda _: httpx.Response(status))
    )
    answer = models.poll()
    assert answer.champion == "4" and answer.registry.startswith("cannot be read")


def test_a_version_that_cannot_be_downloaded_keeps_the_champion_and_is_not_tried_at_once(tmp_path: Path) -> None:
    calls: list[str] = []
    current = {"version": "4"}

    def handler(request: httpx.Request) -> httpx.Response:
        calls.append(request.url.path)
        if "registered-models" in request.url.path:
            return aliases(champion=current["version"])(request)
        return httpx.Response(404)

    models = sync(tmp_path, handler)
    place(models, "4")
    models.poll()
    current["version"] = "5"
    for _ in range(2):
        answer = models.poll()
        assert (answer.champion, answer.registry) == ("4", "ok") and "version 5" in answer.error
    assert sum("model-versions" in path for path in calls) == 1


def test_old_versions_are_deleted_but_never_those_in_use(tmp_path: Path) -> None:
    models = sync(tmp_path, aliases(champion="1"))
    for number in range(1, 10):
        place(models, str(number))
    assert models.poll() != Aliases()
    assert sorted(path.name for path in models.folder.iterdir() if path.is_dir()) == ["1", "5", "6", "7", "8", "9"]
