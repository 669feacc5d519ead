"""Dashboards: generated, understood by Grafana's own schema without loss, every query valid and about known metrics."""

import json
import re
import sys
from pathlib import Path

import promql_parser
import pytest
import yaml
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

ROOT = Path(__file__).parents[3]
CHART = ROOT / "charts" / "observability"
FILES = sorted((CHART / "dashboards").glob("*.json"))

sys.path.insert(0, str(ROOT / "scripts"))

import dashboards  # noqa: E402

plugins.register_default_plugins()


def lost(written: object, kept: object, path: str = "") -> list[str]:
    """List what of one JSON value is not in another; a key that the schema does not know is lost in a round trip."""
    if isinstance(written, dict) and isinstance(kept, dict):
        return [
            item
            for key, value in written.items()
            for item in (
                lost(value, kept[key], f"{path}.{key}") if key in kept else [] if value is None else [f"{path}.{key}"]
            )
        ]
    if isinstance(written, list) and isinstance(kept, list) and len(written) == len(kept):
        return [item for i, pair in enumerate(zip(written, kept, strict=True)) for item in lost(*pair, f"{path}[{i}]")]
    return [] if written == kept else [f"{path}: {written!r} became {kept!r}"]


def queries() -> list[tuple[str, str, str]]:
    """Return (dashboard, panel, expression with its variables filled in)."""
    return [
        (path.stem, panel["title"], fill(target["expr"]))
        for path in FILES
        for panel in json.loads(path.read_text())["panels"]
        for target in panel.get("targets", [])
    ]


def fill(expression: str) -> str:
    """Put `All` where a variable stands."""
    return re.sub(r"\$(namespace|model_version)", ".*", expression)


def test_the_files_are_those_of_panels_yaml() -> None:
    made = dashboards.dashboards((CHART / "panels.yaml").read_text())
    assert {path.stem: json.loads(path.read_text()) for path in FILES} == made, "run `make generate`"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_grafana_s_schema_knows_every_key(path: Path) -> None:
    written = json.loads(path.read_text())
    assert written["uid"] == path.stem
    kept = json.loads(JSONEncoder(sort_keys=True).encode(Dashboard.from_json(written)))
    assert lost(written, kept) == []


def test_a_key_that_grafana_does_not_know_is_found() -> None:
    written = json.loads(FILES[0].read_text())
    written["panels"][1]["targets"][0]["legendFromat"] = "x"
    kept = json.loads(JSONEncoder(sort_keys=True).encode(Dashboard.from_json(written)))
    assert lost(written, kept) == [".panels[1].targets[0].legendFromat"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_reader_finds_units_descriptions_thresholds_and_runbooks(path: Path) -> None:
    board = json.loads(path.read_text())
    assert {variable["name"] for variable in board["templating"]["list"]} >= {"datasource", "namespace"}
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in panels:
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
        for link in panel.get("links", []):
            assert (ROOT / link["url"]).is_file(), link
    assert any(panel.get("links") for panel in panels)


def test_panels_do_not_overlap() -> None:
    for path in FILES:
        taken: set[tuple[int, int]] = set()
        for panel in json.loads(path.read_text())["panels"]:
            at = panel["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            assert not cells & taken, (path.stem, panel["title"])
            taken |= cells


@pytest.mark.parametrize(("board", "panel", "expression"), queries())
def test_every_query_parses_and_asks_for_a_documented_metric(board: str, panel: str, expression: str) -> None:
    promql_parser.parse(expression)
    documented = set(re.findall(r"^\| `(\w+)`", (ROOT / "docs" / "metrics.md").read_text(), re.M))
    for name in re.findall(r"\breadmission_\w+", expression):
        assert re.sub(r"_(bucket|sum|count)$", "", name) in documented or name in documented, (
            f"{board}: {panel}: {name}"
        )


def test_rules_ask_for_documented_metrics() -> None:
    documented = set(re.findall(r"^\| `(\w+)`", (ROOT / "docs" / "metrics.md").read_text(), re.M))
    for path in (CHART / "rules").glob("*.yaml"):
        for group in yaml.safe_load(path.read_text())["groups"]:
            for name in {n for rule in group["rules"] for n in re.findall(r"\breadmission_\w+", rule["expr"])}:
                assert re.sub(r"_(bucket|sum|count)$", "", name) in documented, f"{path.name}: {name}"
