"""Rules: valid, each alert fires when it must and only then, and each leads to a page whose commands exist."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import promql_parser
import pytest
import yaml

from readmission.cli import VERBS

ROOT = Path(__file__).parents[3]
CHART = ROOT / "charts" / "observability"
RUNBOOKS = ROOT / "docs" / "runbooks"
FILES = sorted((CHART / "rules").glob("*.yaml"))
RULES = [rule for path in FILES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
CASES = yaml.safe_load((Path(__file__).parent / "alerts.yaml").read_text())

sys.path.insert(0, str(ROOT / "scripts"))

import slo_rules  # noqa: E402


@pytest.fixture
def promtool() -> str:
    program = shutil.which("promtool")
    if not program:
        pytest.skip("promtool is not on PATH: rules are parsed, but not run (it comes with Prometheus)")
    return program


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_every_expression_parses(rule: dict) -> None:
    promql_parser.parse(rule["expr"])


def test_the_objectives_rules_are_those_of_slo_yaml() -> None:
    assert yaml.safe_load((CHART / "rules" / "slo.yaml").read_text()) == slo_rules.rules(
        (CHART / "slo.yaml").read_text()
    ), "run `make generate`"


def test_promtool_accepts_the_rules(promtool: str) -> None:
    result = subprocess.run([promtool, "check", "rules", "--lint=all", "--lint-fatal", *FILES], capture_output=True)
    assert result.returncode == 0, result.stdout.decode() + result.stderr.decode()


def test_every_alert_has_a_case() -> None:
    assert set(CASES) == set(ALERTS)


def _series(selector: str) -> str:
    if "namespace=" in selector:
        return selector
    return selector.replace("{", '{namespace="n",', 1) if "{" in selector else selector + '{namespace="n"}'


def _group_of(alert: str) -> dict:
    """Return the rule group of an alert: promtool evaluates what it is given at every step, which is slow."""
    for path in FILES:
        for group in yaml.safe_load(path.read_text())["groups"]:
            if any(rule.get("alert") == alert for rule in group["rules"]):
                return group
    raise KeyError(alert)


def _scenario(alert: str, case: dict, at: str, series: dict[str, str], firing: bool) -> dict:
    expected = {"exp_samples": [{"labels": "{}", "value": 1}]} if firing else {"exp_samples": []}
    return {
        "interval": case.get("interval", "1m"),
        "input_series": [{"series": _series(name), "values": str(values)} for name, values in series.items()],
        "promql_expr_test": [
            {"expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})', "eval_time": at, **expected}
        ],
    }


@pytest.mark.parametrize("alert", CASES)
def test_the_alert_fires_when_it_must_and_only_then(alert: str, promtool: str, tmp_path: Path) -> None:
    case = CASES[alert]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [_group_of(alert)]}))
    test = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": case.get("interval", "1m"),
        "tests": [
            _scenario(alert, case, case["at"], case["fire"], firing=True),
            _scenario(alert, case, case["at"], case["calm"], firing=False),
        ],
    }
    path = tmp_path / "test.yaml"
    path.write_text(yaml.safe_dump(test))
    result = subprocess.run([promtool, "test", "rules", path], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr


_COUNT = 'readmission_requests_total{namespace="n",endpoint="/predict",code="%s"}'
_TIMED = 'readmission_request_duration_seconds_%s{namespace="n",endpoint="/predict"%s}'


@pytest.mark.parametrize(
    ("series", "slo", "left"),
    [
        # Never an error, and an hour without a request: the whole budget is there.
        (
            {_COUNT % "200": "0+60x60 3600x60"},
            "availability",
            1,
        ),
        # One of 10,000 requests failed, in a busy hour before an idle one: a tenth of the budget.
        (
            {
                _COUNT % "200": "0+9999x60 599940x60",
                _COUNT % "500": "0+1x60 60x60",
            },
            "availability",
            0.9,
        ),
        (
            {
                _TIMED % ("count", ""): "0+100x60 6000x60",
                _TIMED % ("bucket", ',le="0.1"'): "0+100x60 6000x60",
            },
            "latency",
            1,
        ),
    ],
)
def test_the_budget_is_that_of_the_requests(
    series: dict[str, str], slo: str, left: float, promtool: str, tmp_path: Path
) -> None:
    expression = f'round(slo:budget_remaining:ratio{{slo="{slo}"}}, 0.01)'
    expected = [{"labels": f'{{namespace="n",slo="{slo}"}}', "value": left}]
    test = {
        "rule_files": [str(CHART / "rules" / "slo.yaml")],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": [{"expr": expression, "eval_time": "2h", "exp_samples": expected}],
            }
        ],
    }
    path = tmp_path / "test.yaml"
    path.write_text(yaml.safe_dump(test))
    result = subprocess.run([promtool, "test", "rules", path], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_a_tired_person_is_told_what_it_means_and_where_to_read_on(alert: str) -> None:
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert 20 < len(rule["annotations"]["summary"]) < 110
    assert "description" in rule["annotations"]
    path, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    page = (ROOT / path).read_text()
    headings = re.findall(r"^## (.+)$", page, re.M)
    assert [h for h in headings if h in ("Meaning", "Impact", "Diagnosis", "Mitigation")] == [
        "Meaning",
        "Impact",
        "Diagnosis",
        "Mitigation",
    ]
    assert "```" in page.split("## Diagnosis")[1], "a runbook has commands"
    assert not anchor or f"### {anchor}" in page


def test_an_alert_reaches_the_receivers_of_its_namespace() -> None:
    """AlertmanagerConfig matches by the label `namespace`; an aggregation must keep it."""
    for name, rule in ALERTS.items():
        for aggregation in re.findall(r"\b(?:sum|max|min|count|avg)\b(.{0,25})", rule["expr"], re.S):
            assert aggregation.lstrip().startswith("by (namespace"), name


@pytest.mark.parametrize("page", sorted(RUNBOOKS.glob("*.md")), ids=lambda page: page.stem)
def test_the_verbs_of_a_runbook_exist(page: Path) -> None:
    blocks = "\n".join(re.findall(r"```bash\n(.*?)```", page.read_text(), re.S))
    for verb in re.findall(r"(?:^|&& )readmission ([a-z-]+)", blocks, re.M):
        assert verb in VERBS, f"{page.name}: readmission {verb}"
