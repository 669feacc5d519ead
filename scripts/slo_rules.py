"""Recording rules and burn-rate alerts of the observability chart, generated from its slo.yaml.

The windows and factors are those of the Site Reliability Workbook, chapter 5 (multi-window, multi-burn-rate): a page
when 2 % of the month's budget went in an hour or 5 % in six, a ticket at 10 % in a day or three. Sloth writes such
rules too, but it is a Go program that PyPI does not have, and `make check` compares the files offline.
"""

from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parents[1] / "charts" / "observability"
WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
#: severity, name, [(long window, short window, factor)], for how long, what it means.
ALERTS = (
    (
        "critical",
        "Fast",
        (("1h", "5m", 14.4), ("6h", "30m", 6.0)),
        "2m",
        "the month's budget would be gone in 2–5 days",
    ),
    ("warning", "Slow", (("1d", "2h", 3.0), ("3d", "6h", 1.0)), "15m", "the month's budget will not last"),
)


def rules(text: str) -> dict[str, Any]:
    """Return the rule file's content for the text of slo.yaml."""
    objectives = yaml.safe_load(text)["objectives"]
    return {"groups": [_group(objective) for objective in objectives]}


def _group(slo: dict[str, Any]) -> dict[str, Any]:
    labels = {"slo": slo["name"]}
    recorded: list[dict[str, Any]] = [
        {"record": f"slo:error_ratio:rate{window}", "expr": _ratio(slo, window)} for window in WINDOWS
    ]
    selector = f'{{slo="{slo["name"]}"}}'
    if "bad_events" in slo:
        recorded += [
            {"record": "slo:events_bad:rate5m", "expr": _bad(slo, "5m")},
            {"record": "slo:events:rate5m", "expr": slo["all_events"].strip().replace("$window", "5m")},
        ]
    recorded += [
        {"record": "slo:objective", "expr": f"vector({slo['objective']})"},
        {"record": "slo:error_ratio:rate30d", "expr": _month(slo, selector)},
        {"record": "slo:budget_remaining:ratio", "expr": f"1 - slo:error_ratio:rate30d{selector} / {_budget(slo)}"},
    ]
    for rule in recorded:
        rule["labels"] = labels
    alerts = [_alert(slo, selector, *alert) for alert in ALERTS]
    return {"name": f"readmission-slo-{slo['name']}", "rules": recorded + alerts}


def _ratio(slo: dict[str, Any], window: str) -> str:
    if "bad" in slo:
        # `good` gives 0 where `bad` has no sample, so that a quiet hour counts as good time.
        condition = f"({slo['bad'].strip()}) or ({slo['good'].strip()})"
        return (
            condition if window == "5m" else f'avg_over_time(slo:error_ratio:rate5m{{slo="{slo["name"]}"}}[{window}])'
        )
    # Without requests there is no ratio: 0/0 would spoil every average that it comes into.
    return f"({_bad(slo, window)}) / (({slo['all_events'].strip()}) > 0)".replace("$window", window)


def _bad(slo: dict[str, Any], window: str) -> str:
    """Return the bad events, 0 where none has ever been: their series is not there before the first."""
    return f"({slo['bad_events'].strip()}) or ({slo['all_events'].strip()}) * 0".replace("$window", window)


def _month(slo: dict[str, Any], selector: str) -> str:
    """Return the month's error ratio: each request counts once, not each quiet minute as much as a busy one."""
    if "bad" in slo:
        return f"avg_over_time(slo:error_ratio:rate5m{selector}[30d])"
    events = f"sum_over_time(slo:events:rate5m{selector}[30d])"
    return f"sum_over_time(slo:events_bad:rate5m{selector}[30d]) / ({events} > 0) or {events} * 0"


def _budget(slo: dict[str, Any]) -> float:
    return float(round(1 - slo["objective"], 6))


def _alert(slo: dict[str, Any], selector: str, severity: str, speed: str, pairs: Any, wait: str, meaning: str) -> Any:
    name = f"Readmission{slo['name'].capitalize()}Burn{speed}"
    both = [
        f"(slo:error_ratio:rate{long}{selector} > {round(factor * _budget(slo), 6)}"
        f" and slo:error_ratio:rate{short}{selector} > {round(factor * _budget(slo), 6)})"
        for long, short, factor in pairs
    ]
    return {
        "alert": name,
        "expr": " or ".join(both),
        "for": wait,
        "labels": {"severity": severity, "slo": slo["name"]},
        "annotations": {
            "summary": f"Objective {slo['name']} ({slo['objective']:.1%}) is being missed: {meaning}",
            "description": f"Promised: {slo['summary']}. Now {{{{ $value | humanizePercentage }}}} fail.",
            "runbook_url": f"docs/runbooks/ReadmissionBurn.md#{slo['name']}",
        },
    }


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # anchors would be hard to read
        return True


def files() -> dict[str, str]:
    """Return the generated rule file: path in the repository -> content."""
    head = "# Generated from slo.yaml by scripts/slo_rules.py: `make generate`.\n"
    text = yaml.dump(
        rules((CHART / "slo.yaml").read_text()), Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True
    )
    return {"charts/observability/rules/slo.yaml": head + text}
