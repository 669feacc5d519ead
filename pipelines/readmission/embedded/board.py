"""A light status page for the embedded system: the panels of the dashboards as pictures, without Grafana."""

import io
import json
import logging
import re
import time
from collections.abc import Sequence
from functools import partial
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import numpy as np
from matplotlib.figure import Figure

from readmission import settings as configuration
from readmission.embedded.monitoring import CHART

log = logging.getLogger(__name__)

_SPAN = 3600
_COLORS = {"green": "#2e7d32", "orange": "#e08700", "red": "#b3261e"}
_STYLE = """
body{font:14px system-ui,sans-serif;margin:1rem 2rem;background:#fafafa;color:#222}nav a{margin-right:1rem}
section{display:flex;flex-wrap:wrap;gap:.7rem}figure{margin:0;background:#fff;border:1px solid #ddd;padding:.5rem;
width:21rem}
svg{width:100%;height:auto}figcaption{font-weight:600}small{color:#666;display:block}b.v{font-size:1.5rem}.alert{color:#b3261e;font-weight:600}
"""
Series = tuple[str, Sequence[float], Sequence[float]]


class Prometheus:
    """Ask one Prometheus server."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=5)

    def ask(self, expression: str, legend: str, span: int = _SPAN) -> list[Series]:
        """Return the series of an expression over the last `span` seconds: name, times, values."""
        end = time.time()
        answer = self._client.get(
            "/api/v1/query_range",
            params={"query": expression, "start": end - span, "end": end, "step": max(5, span // 120)},
        ).raise_for_status()
        found: list[Series] = []
        for result in answer.json()["data"]["result"]:
            labels = result["metric"]
            name = re.sub(r"{{\s*(\w+)\s*}}", partial(_label, labels), legend)
            times, values = zip(*((float(t), float(v)) for t, v in result["values"]), strict=True)
            found.append((name.strip(), times, values))
        return found

    def alerts(self) -> list[str]:
        """Return what fires now, in words."""
        alerts = self._client.get("/api/v1/alerts").raise_for_status().json()["data"]["alerts"]
        return [f"{a['labels']['severity']}: {a['annotations']['summary']}" for a in alerts if a["state"] == "firing"]


def _label(labels: dict[str, str], found: re.Match[str]) -> str:
    return labels.get(found.group(1), "")


def fill(expression: str) -> str:
    """Put "all" where a dashboard's variable stands."""
    return re.sub(r"\$(namespace|model_version)", ".*", expression)


def page(prometheus: Prometheus, uid: str) -> str:
    """Render one dashboard."""
    boards = {path.stem: json.loads(path.read_text()) for path in sorted((CHART / "dashboards").glob("*.json"))}
    board = boards.get(uid) or boards["readmission-api"]
    links = "".join(f"<a href='/?board={name}'>{escape(b['title'])}</a>" for name, b in boards.items())
    firing = "".join(f"<p class=alert>{escape(line)}</p>" for line in prometheus.alerts()) or "<p>No alert fires.</p>"
    body = []
    for panel in board["panels"]:
        if panel["type"] == "row":
            body.append(f"</section><h2>{escape(panel['title'])}</h2><section>")
        else:
            body.append(_figure(prometheus, panel))
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'><meta http-equiv='refresh' content='30'>"
        f"<title>{escape(board['title'])}</title><style>{_STYLE}</style><nav>{links}</nav>"
        f"<h1>{escape(board['title'])}</h1>{firing}<section>{''.join(body)}</section></html>"
    )


def _figure(prometheus: Prometheus, panel: dict[str, Any]) -> str:
    series = [s for t in panel["targets"] for s in prometheus.ask(fill(t["expr"]), t["legendFormat"])]
    shown = "<small>no data</small>" if not series else _values(panel, series)
    if series and panel["type"] == "timeseries":
        shown = _lines(series)
    return (
        f"<figure><figcaption>{escape(panel['title'])}</figcaption>{shown}"
        f"<small>{escape(panel['description'])}</small></figure>"
    )


def _values(panel: dict[str, Any], series: list[Series]) -> str:
    defaults = panel["fieldConfig"]["defaults"]
    if panel.get("options", {}).get("textMode") == "name":
        return "".join(f"<b class=v>{escape(name)}</b><br>" for name, _, _ in series)
    lines = []
    for name, _, values in sorted(series, key=lambda s: -s[2][-1])[:15]:
        steps = [
            step for step in defaults["thresholds"]["steps"] if step["value"] is None or values[-1] >= step["value"]
        ]
        color = _COLORS[steps[-1]["color"]] if steps else "#222"
        text = words(values[-1], defaults["unit"])
        lines.append(f"<b class=v style='color:{color}'>{text}</b> {escape(name)}<br>")
    return "".join(lines)


def words(value: float, unit: str) -> str:
    """Write a number with its unit for a person."""
    if value != value:
        return "–"
    if unit == "percentunit":
        return f"{value:.2%}"
    if unit in ("bool_on_off", "bool_yes_no"):
        return "yes" if value else "no"
    if unit == "s" and value >= 120:
        return f"{value / 86400:.1f} d" if value >= 86400 else f"{value / 3600:.1f} h"
    if unit == "bytes":
        return f"{value / 1e6:,.1f} MB"
    return f"{value:,.3g} {'s' if unit == 's' else ''}".strip()


def _lines(series: list[Series]) -> str:
    figure = Figure(figsize=(4.2, 2.1), layout="constrained")
    axes = figure.subplots()
    for name, times, values in series[:12]:
        axes.plot(np.array(times).astype("datetime64[s]"), np.array(values), linewidth=1.2, label=name)
    axes.tick_params(labelsize=6)
    axes.tick_params(axis="x", rotation=30)
    axes.set_ylim(bottom=min(0, axes.get_ylim()[0]))
    axes.legend(fontsize=5, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.25))
    text = io.StringIO()
    figure.savefig(text, format="svg")
    return text.getvalue().partition("<svg")[1] + text.getvalue().partition("<svg")[2]


class Handler(BaseHTTPRequestHandler):
    """Answer GET / (`?board=<uid>`) and GET /health."""

    def __init__(self, prometheus: Prometheus, *arguments: Any) -> None:
        self._prometheus = prometheus
        super().__init__(*arguments)

    def do_GET(self) -> None:
        """Render a board; 503 with a sentence when Prometheus does not answer."""
        code, body = 200, "ok"
        if not self.path.startswith("/health"):
            try:
                body = page(self._prometheus, self.path.partition("board=")[2])
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
