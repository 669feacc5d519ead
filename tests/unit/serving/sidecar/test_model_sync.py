"""Aliases reach the disk; whatever fails leaves what is served as it is."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from readmission.scorer.manifest import MANIFEST, ArtifactError
from readmission.settings import Settings
from serving.predict.aliases import POLLED, Aliases, polled_at, read_aliases
from serving.sidecar import model_sync
from serving.sidecar.model_sync import ModelSync, _reason

Handler = Callable[[httpx.Request], httpx.Response]


def sync(home: Path, handler: Handler) -> ModelSync:
    models = ModelSync(Settings(home=home))
    models._http = httpx.Client(base_url="http://registry", transport=httpx.MockTransport(handler))
    return models


def aliases(**versions: str) -> Handler:
    content = {"registered_model": {"aliases": [{"alias": a, "version": v} for a, v in versions.items()]}}
    return lambda _: httpx.Response(200, json=content)


@pytest.fixture(autouse=True)
def whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every manifest of these tests be right, except one that says that its folder is damaged."""

    def read(folder: Path) -> None:
        if "damaged" in (folder / MANIFEST).read_text():
            raise ArtifactError("trees.txt is missing or is not what was compiled (sha256)")

    monkeypatch.setattr(model_sync, "read_manifest", read)


def install(models: ModelSync, version: str) -> None:
    folder = models.folder / version
    folder.mkdir(parents=True)
    (folder / MANIFEST).write_text("{}")


def test_a_version_on_disk_is_named(tmp_path: Path) -> None:
    models = sync(tmp_path, aliases(champion="4"))
    install(models, "4")
    assert models.poll().champion == "4"
    written = read_aliases(models.folder)
    assert (written.champion, written.registry, written.error) == ("4", "ok", "")


def test_an_unchanged_registry_does_not_touch_the_file(tmp_path: Path) -> None:
    models = sync(tmp_path, aliases(champion="4"))
    install(models, "4")
    models.poll()
    before = (models.folder / "aliases.json").stat().st_mtime_ns
    models.poll()
    assert (models.folder / "aliases.json").stat().st_mtime_ns == before


def test_an_unchanged_registry_was_asked_all_the_same(tmp_path: Path) -> None:
    models = sync(tmp_path, aliases(champion="4"))
    install(models, "4")
    assert polled_at(models.folder) is None
    models.poll()
    os.utime(models.folder / POLLED, (0, 0))
    models.poll()
    assert (polled_at(models.folder) or 0) > 1e9


def test_an_alias_that_is_gone_keeps_the_champion_and_is_a_problem(tmp_path: Path) -> None:
    models = sync(tmp_path, aliases(champion="4"))
    install(models, "4")
    models.poll()
    models._http = httpx.Client(base_url="http://registry", transport=httpx.MockTransport(aliases()))
    answer = models.poll()
    assert answer.champion == "4" and answer.error == "the registry names no champion any more; version 4 serves on"


@pytest.mark.parametrize("status", [500, 403])
def test_a_registry_that_cannot_be_read_keeps_the_champion(tmp_path: Path, status: int) -> None:
    models = sync(tmp_path, aliases(champion="4"))
    install(models, "4")
    models.poll()
    models._http = httpx.Client(
        base_url="http://registry", transport=httpx.MockTransport(lambda _: httpx.Response(status))
    )
    answer = models.poll()
    assert answer.champion == "4" and answer.registry == f"cannot be read: HTTP {status}"


def test_a_version_that_cannot_be_downloaded_keeps_the_champion_and_is_not_tried_at_once(tmp_path: Path) -> None:
    calls: list[str] = []
    current = {"version": "4"}

    def handler(request: httpx.Request) -> httpx.Response:
        calls.append(request.url.path)
        if "registered-models" in request.url.path:
            return aliases(champion=current["version"])(request)
        return httpx.Response(404)

    models = sync(tmp_path, handler)
    install(models, "4")
    models.poll()
    current["version"] = "5"
    for _ in range(2):
        answer = models.poll()
        assert (answer.champion, answer.registry) == ("4", "ok") and "version 5" in answer.error
    assert sum("model-versions" in path for path in calls) == 1


def test_old_versions_are_deleted_but_never_those_in_use(tmp_path: Path) -> None:
    models = sync(tmp_path, aliases(champion="1"))
    for number in range(1, 10):
        install(models, str(number))
    assert models.poll() != Aliases()
    assert sorted(path.name for path in models.folder.iterdir() if path.is_dir()) == ["1", "5", "6", "7", "8", "9"]


def serving_files(version: str) -> Handler:
    """Return a registry whose champion has a manifest and no other file."""

    def handler(request: httpx.Request) -> httpx.Response:
        if "registered-models" in request.url.path:
            return aliases(champion=version)(request)
        if "model-versions" in request.url.path:
            return httpx.Response(200, json={"model_version": {"run_id": "r"}})
        return httpx.Response(200, json={"files": {}})

    return handler


def test_a_damaged_copy_is_downloaded_again(tmp_path: Path) -> None:
    models = sync(tmp_path, serving_files("4"))
    install(models, "4")
    manifest = models.folder / "4" / MANIFEST
    manifest.write_text("damaged")
    assert models.poll().error == ""
    assert manifest.read_text() == '{"files":{}}'


def test_a_folder_without_manifest_is_replaced(tmp_path: Path) -> None:
    models = sync(tmp_path, serving_files("4"))
    (models.folder / "4").mkdir()
    (models.folder / "4" / "left.txt").touch()
    answer = models.poll()
    assert (answer.champion, answer.error) == ("4", "")


def test_what_a_killed_download_left_is_deleted(tmp_path: Path) -> None:
    left = sync(tmp_path, aliases()).folder / ".4.123"
    left.mkdir()
    sync(tmp_path, aliases())
    assert not left.exists()


@pytest.mark.parametrize(
    "answer",
    [httpx.Response(403), httpx.Response(200, content=b"null"), httpx.Response(200, json={"model_version": 3})],
)
def test_no_answer_of_the_registry_stops_the_sidecar_or_tells_its_password(
    tmp_path: Path, answer: httpx.Response
) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if "registered-models" in request.url.path:
            return aliases(champion="5")(request)
        answer.request = request
        return answer

    models = sync(tmp_path, handler)
    models._http = httpx.Client(base_url="http://svc:SECRET@registry", transport=httpx.MockTransport(handler))
    problem = models.poll().error
    assert (
        problem.startswith("version 5 cannot be downloaded") and "SECRET" not in problem and "registry" not in problem
    )


def test_the_reason_of_a_failure_names_no_path() -> None:
    assert _reason(OSError(errno.ENOSPC, "No space left on device", "/a/path")) == "No space left on device"
    assert _reason(ValueError("http://user:password@mlflow")) == "ValueError"
