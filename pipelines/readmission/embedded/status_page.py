"""A light status page for the embedded system: what fires, and the dashboards' panels as pictures, without Grafana."""

import json
import logging
import math
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import yaml
from markdown_it import MarkdownIt

from readmission import settings as configuration
from readmission.embedded import draw
from readmission.embedded.draw import Series
from readmission.embedded.monitoring import CHART, RUNBOOKS

log = logging.getLogger(__name__)

SPANS = {"1": "1 hour", "6": "6 hours", "24": "1 day", "168": "7 days"}
#: The first page: what a person wants to know first, by board and title of the panel.
FIRST = {
    "readmission-slo": ("Budget left",),
    "readmission-api": (
        "Requests", "Server errors", "p99 of /predict", "Champion", "Requests by endpoint", "Latency of /predict",
    ),
    "readmission-platform": ("Services", "Database", "Targets"),
    "readmission-data": ("Batches", "Quarantined", "Since the last batch"),
    "readmission-pipeline": ("Failed", "Since the last success"),
}  # fmt: skip
_STYLE = (Path(__file__).parent / "status_page.css").read_text()


class Prometheus:
    """Ask one Prometheus server."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=10)

    def _get(self, path: str, **parameters: Any) -> Any:
        return self._client.get(f"/api/v1/{path}", params=parameters).raise_for_status().json()["data"]

    def ask(self, expression: str, legend: str, hours: int = 1) -> list[Series]:
        """Return the series of an expression over the last hours: name, times, values."""
        end, span = time.time(), 3600 * hours
        data = self._get("query_range", query=expression, start=end - span, end=end, step=max(5, span // 120))
        found: list[Series] = []
        for result in data["result"]:
            name = re.sub(r"{{\s*(\w+)\s*}}", partial(_label, result["metric"]), legend)
            times, values = zip(*((float(t), float(v)) for t, v in result["values"]), strict=True)
            if not all(map(math.isnan, values)):
                found.append((" ".join(name.split()), times, values))
        return found

    def alerts(self) -> list[dict[str, Any]]:
        """Return what fires now or waits to fire, the gravest first."""
        found = self._get("alerts")["alerts"]
        return sorted(found, key=lambda a: (a["state"] != "firing", a["labels"]["severity"], a["activeAt"]))

    def watched(self) -> int:
        """Return how many alerts are evaluated."""
        return sum(len(group["rules"]) for group in self._get("rules", type="alert")["groups"])


def _label(labels: dict[str, str], found: re.Match[str]) -> str:
    return labels.get(found.group(1), "")


def fill(expression: str) -> str:
    """Put "all" where a dashboard's variable stands."""
    return re.sub(r"\$(namespace|model_version)", ".*", expression)


@cache
def boards() -> dict[str, dict[str, Any]]:
    """Return every dashboard by its uid."""
    return {path.stem: json.loads(path.read_text()) for path in sorted((CHART / "dashboards").glob("*.json"))}


@cache
def reasons() -> dict[str, str]:
    """Return why a panel may be empty, by its title."""
    made = yaml.safe_load((CHART / "panels.yaml").read_text())
    panels = (panel for one in made.values() for row in one["rows"] for panel in row["panels"])
    return {panel["title"]: panel["absent"] for panel in panels if "absent" in panel}


def page(prometheus: Prometheus, uid: str = "", hours: int = 1) -> str:
    """Render one dashboard, or the first page."""
    known, hours = boards(), hours if str(hours) in SPANS else 1
    uid = uid if uid in known else ""
    title = known[uid]["title"] if uid else "Readmission"
    names = {"": "Overview"} | {name: board["title"].partition("/ ")[2] for name, board in known.items()}
    links = "".join(
        f"<a href='/?board={name}&hours={hours}'{' aria-current=page' if name == uid else ''}>{escape(text)}</a>"
        for name, text in names.items()
    )
    spans = "".join(
        f"<a href='/?board={uid}&hours={key}'{' aria-current=true' if key == str(hours) else ''}>{text}</a>"
        for key, text in SPANS.items()
    )
    with ThreadPoolExecutor(8) as pool:
        rows = [(name, [pool.submit(_figure, prometheus, p, hours) for p in panels]) for name, panels in _rows(uid)]
        body = "".join(f"<h2>{escape(n)}</h2><section>{''.join(f.result() for f in fs)}</section>" for n, fs in rows)
    clock = time.strftime("%H:%M", time.gmtime())
    about = escape(known[uid]["description"]) if uid else "What users feel, and whether everything is there."
    return _html(
        title,
        f"<nav>{links}</nav><h1>{escape(title)}</h1><p class=about>{about}</p>{_alerts(prometheus)}"
        f"<nav class=spans>{spans}<span>{clock} UTC, anew every 30 s</span></nav>{body}",
        refresh=True,
    )


def _rows(uid: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    if not uid:
        for name, titles in FIRST.items():
            panels = {panel["title"]: panel for panel in boards()[name]["panels"] if panel["type"] != "row"}
            yield boards()[name]["title"].partition("/ ")[2], [panels[title] for title in titles]
        return
    row: tuple[str, list[dict[str, Any]]] | None = None
    for panel in boards()[uid]["panels"]:
        if panel["type"] == "row":
            if row:
                yield row
            row = panel["title"], []
        elif row:
            row[1].append(panel)
    if row:
        yield row


def _alerts(prometheus: Prometheus) -> str:
    found = prometheus.alerts()
    firing = [alert for alert in found if alert["state"] == "firing"]
    lines = []
    for alert in found:
        notes, severity = alert["annotations"], alert["labels"]["severity"]
        state = severity if alert["state"] == "firing" else "pending"
        lines.append(
            f"<li class={state}><b>{escape(state)}</b> <strong>{escape(notes['summary'])}.</strong> "
            f"{escape(notes['description'])} Since {alert['activeAt'][11:16]} UTC. "
            f"<a href='{escape(notes['runbook_url'])}'>What to do</a></li>"
        )
    waiting = len(found) - len(firing)
    more = f" {waiting} pending: seen, but not for long enough." if waiting else ""
    calm = f"<p class=calm>✓ No alert fires; {prometheus.watched()} are watched.{more}</p>" if not firing else ""
    return calm + (f"<ul class=alerts>{''.join(lines)}</ul>" if lines else "")


def _figure(prometheus: Prometheus, panel: dict[str, Any], hours: int) -> str:
    series = [s for t in panel["targets"] for s in prometheus.ask(fill(t["expr"]), t["legendFormat"], hours)]
    if series:
        shown = draw.panel(panel["type"], panel["fieldConfig"]["defaults"], panel.get("options", {}), series)
    else:
        shown = (
            f"<p class=none>no data: {escape(reasons().get(panel['title'], 'nothing was measured in this time'))}</p>"
        )
    links = "".join(
        f" <a href='/runbooks/{escape(Path(link['url']).name)}'>Runbook</a>" for link in panel.get("links", [])
    )
    return (
        f"<figure class='{'empty' if not series else ''}'><figcaption>{escape(panel['title'])}</figcaption>{shown}"
        f"<small>{escape(panel['description'])}{links}</small></figure>"
    )


def runbook(name: str) -> str | None:
    """Render one runbook, or return None when there is none of that name."""
    names = {path.name: path for path in RUNBOOKS.glob("*.md")}
    path = names.get(name or "README.md")
    if path is None:
        return None
    text = MarkdownIt("commonmark").enable("table").render(path.read_text())
    return _html(path.stem, f"<nav><a href='/'>Overview</a><a href='/runbooks/README.md'>Runbooks</a></nav>{text}")


def _html(title: str, body: str, *, refresh: bool = False) -> str:
    again = "<meta http-equiv=refresh content=30>" if refresh else ""
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"{again}<title>{escape(title)}</title><style>{_STYLE}</style><main>{body}</main></html>"
    )


class Handler(BaseHTTPRequestHandler):
    """Answer GET / (`?board=<uid>&hours=<n>`), /runbooks/<name>.md and /health."""

    def __init__(self, prometheus: Prometheus, *arguments: Any) -> None:
        self._prometheus = prometheus
        super().__init__(*arguments)

    def do_GET(self) -> None:
        """Render a page; 503 with a sentence when Prometheus does not answer."""
        url = urlsplit(self.path)
        code, body = 200, "ok"
        if url.path.startswith("/runbooks/"):
            found = runbook(url.path.removeprefix("/runbooks/"))
            code, body = (200, found) if found else (404, "There is no such runbook.")
        elif url.path != "/health":
            asked = parse_qs(url.query)
            try:
                hours = asked.get("hours", ["1"])[0]
                body = page(self._prometheus, asked.get("board", [""])[0], int(hours) if hours.isdecimal() else 1)
            except httpx.HTTPError as error:
                code, body = 503, f"Prometheus does not answer: {escape(str(error))}"
        data = body.encode()
        self.send_response(code)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Leave requests out of the log."""


def main() -> None:
    """Serve the page until it is stopped."""
    settings = configuration.load()
    prometheus = Prometheus(f"http://127.0.0.1:{settings.prometheus_port}")
    ThreadingHTTPServer(("127.0.0.1", settings.board_port), partial(Handler, prometheus)).serve_forever()


if __name__ == "__main__":
    main()
