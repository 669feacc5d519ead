"""Values as helm merges them, and YAML as Kubernetes reads it."""

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
