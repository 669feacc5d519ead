"""Alerts reach somebody: the receivers come from a Secret, and a heartbeat tells that monitoring lives."""

from pathlib import Path
from typing import Any

import chartlib
import pytest
import yaml

import charts


def alertmanager(**alerts: str) -> dict[str, Any]:
    releases = chartlib.releases("dev", alerts={"webhookSecret": ""} | alerts)
    (values,) = (release.values for release in releases if release.name == "readmission-monitoring")
    part: dict[str, Any] = values["alertmanager"]
    return part


def test_two_urls_of_a_secret_are_enough() -> None:
    part = alertmanager(webhookSecret="doorbell")
    assert part["alertmanagerSpec"]["secrets"] == ["doorbell"] and "configSecret" not in part["alertmanagerSpec"]
    files = {r["name"]: r["webhook_configs"][0]["url_file"] for r in part["config"]["receivers"] if len(r) > 1}
    folder = "/etc/alertmanager/secrets/doorbell"
    assert files == {"people": f"{folder}/webhook", "heartbeat": f"{folder}/heartbeat"}
    route = part["config"]["route"]
    assert route["receiver"] == "people"
    heartbeat = route["routes"][0]
    assert heartbeat["receiver"] == "heartbeat" and "Watchdog" in heartbeat["matchers"][0]
    assert {r["receiver"] for r in [route, *route["routes"]]} == {r["name"] for r in part["config"]["receivers"]}


def test_a_configuration_of_their_own_replaces_ours() -> None:
    part = alertmanager(webhookSecret="doorbell", configSecret="mail")
    assert "config" not in part
    assert part["alertmanagerSpec"]["configSecret"] == "mail" and part["alertmanagerSpec"]["useExistingSecret"] is True


def test_the_chart_takes_it_and_watchdog_always_fires() -> None:
    folder = charts.charts_folder()
    if folder is None:
        pytest.skip("the charts of others are not in CHARTS_DIR")
    (release,) = (r for r in chartlib.releases("prod") if r.name == "readmission-monitoring")
    objects = chartlib.render(release, release.archive(Path(folder)))
    (custom,) = (o for o in objects if o["kind"] == "Alertmanager")
    assert custom["spec"]["secrets"] == ["alerts"]
    configurations = [o for o in objects if o["kind"] == "Secret" and "alertmanager.yaml" in (o.get("data") or {})]
    assert len(configurations) == 1
    rules = [o for o in objects if o["kind"] == "PrometheusRule"]
    assert "alert: Watchdog" in yaml.safe_dump(rules)


@pytest.mark.parametrize(
    ("over", "text"),
    [
        ({}, "whom the Secret monitoring/alerts names"),
        ({"alerts": {"webhookSecret": ""}}, ""),
        (
            {"alerts": {"webhookSecret": ""}, "monitoring": {"install": False}},
            "whom the Prometheus of this cluster tells",
        ),
    ],
)
def test_the_notes_say_who_is_told(over: dict[str, Any], text: str) -> None:
    (release,) = (r for r in chartlib.releases("dev", **over) if r.name == "readmission")
    assert release.values["alertReceivers"] == text
