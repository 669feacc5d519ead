"""Values as helm merges them, and YAML as Kubernetes reads it."""

import shutil
import threading
from pathlib import Path

import chartlib
import yaml


def test_maps_merge_and_all_else_is_replaced() -> None:
    base = {"a": {"b": 1, "c": [1, 2]}, "d": {"e": 1}}
    assert chartlib.merged(base, {"a": {"c": [3]}, "d": None}) == {"a": {"b": 1, "c": [3]}, "d": None}
    assert base["d"] == {"e": 1}


def test_a_date_and_an_equals_sign_are_text() -> None:
    assert yaml.load("{day: 2026-11-27, sign: =}", chartlib.Loader) == {"day": "2026-11-27", "sign": "="}


def test_an_archive_has_its_version_in_its_name_once() -> None:
    release = chartlib.Release(name="x", namespace="n", chart="repo/loki", version="1.2.3", values={})
    assert not release.ours and release.archive(Path("charts")) == Path("charts/loki-1.2.3.tgz")


def test_a_template_sees_values_and_the_release() -> None:
    assert chartlib.render_template("{{ .Values.a }}-{{ .Release.Name }}", {"a": 1}, "y") == "1-y"


def test_what_was_rendered_is_rendered_anew_after_a_change(tmp_path: Path) -> None:
    shutil.copytree(chartlib.CHARTS / "demo", tmp_path / "demo")
    shutil.copytree(chartlib.CHARTS / "common", tmp_path / "common")
    (tmp_path / "demo/charts").mkdir(exist_ok=True)
    shutil.copytree(chartlib.CHARTS / "common", tmp_path / "demo/charts/common", dirs_exist_ok=True)
    release = chartlib.Release(
        name="demo", namespace="n", chart="charts/demo", version="", values=chartlib.alone("demo")
    )
    before = chartlib.render(release, tmp_path / "demo")
    before[0]["kind"] = "spoilt by a caller"
    assert "spoilt by a caller" not in {item["kind"] for item in chartlib.render(release, tmp_path / "demo")}
    (tmp_path / "demo/templates/more.yaml").write_text("kind: More\nmetadata: {name: more}\n")
    assert "More" in {item["kind"] for item in chartlib.render(release, tmp_path / "demo")}


def test_dependencies_are_there_while_they_are_built_anew(tmp_path: Path) -> None:
    folder = tmp_path / "charts"
    shutil.copytree(chartlib.CHARTS, folder)
    chartlib.build_dependencies(folder)
    archives = sorted(folder.glob("*/charts/*.tgz"))
    assert len(archives) > 10
    (folder / "demo/charts/of-before-0.0.1.tgz").write_text("stale")
    absent, done = set[Path](), threading.Event()

    def look() -> None:
        while not done.is_set():
            absent.update(path for path in archives if not path.exists())

    watcher = threading.Thread(target=look)
    watcher.start()
    for _ in range(3):
        chartlib.build_dependencies(folder)
    done.set()
    watcher.join()
    assert absent == set()
    assert sorted(folder.rglob("*.tgz")) == archives
