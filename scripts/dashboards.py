"""Grafana's dashboards, generated from panels.yaml.

A panel is a row of panels.yaml: title, unit, queries. Layout, variables, colours and links are made here, the same for
every dashboard, for Grafana 12 and 13 (schema 41, the classic JSON model). The JSON is written as it is, without the
builders of grafana-foundation-sdk; a test passes every dashboard through that library and loses no key.
"""

import json
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parents[1] / "charts" / "observability"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
#: Figures that are reduced to their last value.
LAST = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}
#: kind -> Grafana's panel type, width (of 24), height, options.
KINDS: dict[str, tuple[str, int, int, dict[str, Any]]] = {
    "stat": ("stat", 4, 4, LAST | {"colorMode": "value", "graphMode": "area", "textMode": "auto"}),
    "name": ("stat", 4, 4, LAST | {"colorMode": "none", "graphMode": "none", "textMode": "name"}),
    "lines": (
        "timeseries",
        8,
        8,
        {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    ),
    "bars": ("bargauge", 8, 10, LAST | {"orientation": "horizontal", "displayMode": "basic", "valueMode": "color"}),
    "heat": (
        "heatmap",
        8,
        8,
        {"calculate": False, "color": {"mode": "scheme", "scheme": "Blues", "steps": 32}, "yAxis": {"unit": "short"}},
    ),
}
NAMES = {"datasource": "Data source", "namespace": "Namespace", "model_version": "Model version"}


def dashboards(text: str) -> dict[str, dict[str, Any]]:
    """Return uid -> dashboard for the text of panels.yaml."""
    return {uid: _dashboard(uid, entry) for uid, entry in yaml.safe_load(text).items()}


def _dashboard(uid: str, entry: dict[str, Any]) -> dict[str, Any]:
    return {
        "uid": uid,
        "title": entry["title"],
        "description": entry["description"],
        "tags": ["readmission"],
        "schemaVersion": 41,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": entry.get("from", "now-6h"), "to": "now"},
        "templating": {"list": _variables(entry.get("variables", []))},
        "annotations": {"list": [_promotions()]},
        "links": [
            {
                "type": "dashboards",
                "title": "Readmission",
                "tags": ["readmission"],
                "asDropdown": True,
                "includeVars": True,
                "keepTime": True,
                "icon": "external link",
                "tooltip": "",
                "targetBlank": False,
                "url": "",
            },
        ],
        "panels": _panels(entry["rows"]),
    }


def _variables(more: list[str]) -> list[dict[str, Any]]:
    variables: list[dict[str, Any]] = [
        {
            "name": "datasource",
            "type": "datasource",
            "query": "prometheus",
            "label": NAMES["datasource"],
            "hide": 0,
            "current": {"text": "prometheus", "value": "prometheus"},
            "regex": "",
            "refresh": 1,
            "includeAll": False,
            "multi": False,
        },
    ]
    queries = {
        "namespace": 'label_values({__name__=~"readmission_.+|slo:.+"}, namespace)',
        "model_version": 'label_values(readmission_predictions_total{namespace=~"$namespace"}, model_version)',
    }
    return variables + [
        {
            "name": name,
            "type": "query",
            "label": NAMES[name],
            "datasource": SOURCE,
            "query": queries[name],
            "refresh": 2,
            "includeAll": True,
            "allValue": ".*",
            "multi": True,
            "hide": 0,
            "regex": "",
            "sort": 1,
            "current": {"text": ["All"], "value": ["$__all"]},
        }
        for name in ("namespace", *more)
    ]


def _promotions() -> dict[str, Any]:
    expression = 'changes(readmission_champion_promoted_timestamp_seconds{namespace=~"$namespace"}[5m]) > 0'
    return {"name": "New champion", "datasource": SOURCE, "enable": True, "iconColor": "purple", "expr": expression}


def _panels(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    panels: list[dict[str, Any]] = []
    y = 0
    for row in rows:
        panels.append(
            {
                "id": len(panels) + 1,
                "type": "row",
                "title": row["title"],
                "collapsed": False,
                "panels": [],
                "gridPos": {"h": 1, "w": 24, "x": 0, "y": y},
            },
        )
        y, x, height = y + 1, 0, 0
        for panel in row["panels"]:
            width = panel.get("width", KINDS[panel.get("kind", "lines")][1])
            if x + width > 24:
                x, y, height = 0, y + height, 0
            made = _panel(len(panels) + 1, panel, x, y, width)
            panels.append(made)
            x, height = x + width, max(height, made["gridPos"]["h"])
        y += height
    return panels


def _panel(number: int, panel: dict[str, Any], x: int, y: int, width: int) -> dict[str, Any]:
    kind, _, height, options = KINDS[panel.get("kind", "lines")]
    steps = [{"color": color, "value": value} for value, color in panel.get("thresholds", [[None, "green"]])]
    defaults: dict[str, Any] = {
        "unit": panel["unit"],
        "thresholds": {"mode": "absolute", "steps": steps},
        "color": {"mode": "thresholds" if kind in ("stat", "bargauge") else "palette-classic"},
    }
    defaults |= {name: panel[name] for name in ("min", "max", "decimals") if name in panel}
    if kind == "timeseries":
        shown = {"thresholdsStyle": {"mode": "line"}} if "thresholds" in panel else {}
        defaults["custom"] = {"lineWidth": 1, "fillOpacity": 10, "showPoints": "auto", "spanNulls": False, **shown}
    made = {
        "id": number,
        "type": kind,
        "title": panel["title"],
        "description": panel["about"],
        "datasource": SOURCE,
        "gridPos": {"h": height, "w": width, "x": x, "y": y},
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
        "targets": [
            _target(chr(65 + i), expression, legend, "heatmap" if kind == "heatmap" else "time_series")
            for i, (expression, legend) in enumerate(panel["queries"])
        ],
    }
    if "runbook" in panel:
        url = f"docs/runbooks/{panel['runbook']}.md"
        made["links"] = [{"title": "Runbook", "url": url, "targetBlank": True}]
    return made


def _target(letter: str, expression: str, legend: str, result: str) -> dict[str, Any]:
    """Return one query of a panel; it is evaluated over the range of time that is shown."""
    return {
        "refId": letter,
        "datasource": SOURCE,
        "expr": expression,
        "legendFormat": legend,
        "range": True,
        "instant": False,
        "format": result,
    }


def files() -> dict[str, str]:
    """Return every generated dashboard: path in the repository -> content."""
    return {
        f"charts/observability/dashboards/{uid}.json": json.dumps(dashboard, indent=1, ensure_ascii=False) + "\n"
        for uid, dashboard in dashboards((CHART / "panels.yaml").read_text()).items()
    }
