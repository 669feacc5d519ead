"""The burn-rate rules: windows and factors of the Site Reliability Workbook."""

from typing import Any

import slo_rules

OBJECTIVE = """
objectives:
  - {name: answers, objective: 0.999, summary: S,
     bad_events: "sum(rate(bad[$window]))", all_events: "sum(rate(all[$window]))"}
  - {name: fresh, objective: 0.99, summary: S, bad: "age > 60", good: "age * 0"}
"""


def group(name: str) -> list[dict[str, Any]]:
    groups = slo_rules.rules(OBJECTIVE)["groups"]
    rules: list[dict[str, Any]] = next(g["rules"] for g in groups if g["name"] == f"readmission-slo-{name}")
    return rules


def test_every_window_has_its_ratio() -> None:
    ratios = {rule["record"]: rule["expr"] for rule in group("answers") if "record" in rule}
    assert {f"slo:error_ratio:rate{window}" for window in slo_rules.WINDOWS} <= set(ratios)
    assert "bad[6h]" in ratios["slo:error_ratio:rate6h"] and "$window" not in str(ratios)
    assert ratios["slo:budget_remaining:ratio"].endswith("/ 0.001")


def test_states_are_averaged_where_events_are_counted() -> None:
    ratios = {rule["record"]: rule["expr"] for rule in group("fresh") if "record" in rule}
    assert ratios["slo:error_ratio:rate5m"] == "(age > 60) or (age * 0)"
    assert ratios["slo:error_ratio:rate1h"] == 'avg_over_time(slo:error_ratio:rate5m{slo="fresh"}[1h])'


def test_a_page_needs_the_long_and_the_short_window() -> None:
    fast, slow = (rule for rule in group("answers") if "alert" in rule)
    assert (fast["labels"]["severity"], slow["labels"]["severity"]) == ("critical", "warning")
    assert 'rate1h{slo="answers"} > 0.0144 and slo:error_ratio:rate5m{slo="answers"} > 0.0144' in fast["expr"]
    assert fast["annotations"]["runbook_url"] == "docs/runbooks/ReadmissionBurn.md#answers"
