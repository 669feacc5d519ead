"""Status page of the embedded system: what fires, what users feel, the runbooks, and where to look further."""

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from markdown_it import MarkdownIt
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route

from readmission.embedded.monitoring import RUNBOOKS, advice
from readmission.settings import Settings, load_settings

#: What users feel: label, query, and how to write a number, or the labels of a series where the number says nothing.
FIGURES: tuple[tuple[str, str, Callable[[float], str] | str], ...] = (
    ("Requests", "sum(rate(readmission_requests_total[5m]))", "{:.3g} /s".format),
    (
        "Server errors",
        'sum(rate(readmission_requests_total{endpoint=~"/predict.*",code=~"5.."}[5m]))'
        ' / sum(rate(readmission_requests_total{endpoint=~"/predict.*"}[5m])) or vector(0)',
        "{:.2%}".format,
    ),
    (
        "p99 of /predict",
        "histogram_quantile(0.99, sum by (le)"
        ' (rate(readmission_request_duration_seconds_bucket{endpoint="/predict"}[5m])))',
        lambda seconds: f"{1000 * seconds:.3g} ms",
    ),
    (
        "Champion",
        'sum by (model_version, family) (readmission_model_info{variant="champion"} > 0)',
        "version {model_version}, {family}",
    ),
    ("Log backlog", "sum(readmission_log_backlog_bytes)", lambda size: f"{size / 1e6:.3g} MB"),
    (
        "Age of the data",
        'time() - max(readmission_batch_finished_timestamp_seconds{layer="clean"})',
        lambda seconds: f"{seconds / 3600:.1f} hours",
    ),
)
#: Changes what has changed and leaves focus and scroll position; while the page does not answer, the last one stays.
_REFRESH = """setInterval(() => fetch("/").then(a => a.text()).then(text => {
  const page = new DOMParser().parseFromString(text, "text/html");
  document.querySelector("main").replaceWith(page.querySelector("main"));
}).catch(() => {}), 30000)"""
_STYLE = (Path(__file__).parent / "status_page.css").read_text()


def figure(result: list[Mapping[str, Any]], form: Callable[[float], str] | str) -> str:
    """Write the answer of an instant query; without a number, say so."""
    series = [row for row in result if not math.isnan(float(row["value"][1]))]
    texts = [
        form.format(**r["metric"]).replace("_", " ") if isinstance(form, str) else form(float(r["value"][1]))
        for r in series
    ]
    return "; ".join(texts) or "no data yet"


def alert_list(alerts: list[dict[str, Any]]) -> str:
    """Draw the alerts: firing before pending, critical before warning, each with its runbook."""
    lines = []
    for alert in sorted(alerts, key=lambda a: (a["state"] != "firing", a["labels"]["severity"], a["activeAt"])):
        notes, state = alert["annotations"], alert["labels"]["severity"] if alert["state"] == "firing" else "pending"
        lines.append(
            f"<li class={state}><b>{escape(state)}</b> <strong>{escape(notes['summary'])}.</strong> "
            f"{escape(notes['description'])} Since {alert['activeAt'][11:16]} UTC. "
            f"<a href='{escape(notes['runbook_url'])}'>What to do</a></li>"
        )
    return f"<ul class=alerts>{''.join(lines)}</ul>" if lines else "<p>✓ No alert fires.</p>"


async def exported(exporter: httpx.AsyncClient) -> str:
    """Draw what the exporter has at present; empty if it does not answer."""
    try:
        families = list(text_string_to_metric_families((await exporter.get("/metrics")).raise_for_status().text))
    except (httpx.HTTPError, ValueError):
        return ""
    rows = "".join(
        f"<tr><td>{escape(family.documentation)}</td><td>{escape(', '.join(sample.labels.values()))}</td>"
        f"<td>{_number(sample)}</td></tr>"
        for family in families
        if family.name.startswith("readmission_")
        for sample in family.samples
    )
    return f"<h2>What the exporter has now</h2><table>{rows}</table>" if rows else ""


def _number(sample: Sample) -> str:
    """Write a value; a time as a time."""
    if sample.name.endswith("timestamp_seconds") and sample.value:
        return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(sample.value))
    return f"{sample.value:.6g}"


async def overview(prometheus: httpx.AsyncClient, exporter: httpx.AsyncClient, missing: str = "") -> str:
    """Draw alerts and figures, or the reason why there are none and what the exporter has.

    Args:
        prometheus: Connections to Prometheus.
        exporter: Connections to the exporter.
        missing: Why there is no Prometheus. If empty, there should be one.
    """

    async def get(path: str, **parameters: str) -> Any:
        return (await prometheus.get(f"/api/v1/{path}", params=parameters)).raise_for_status().json()["data"]

    try:
        alerts, *answers = await asyncio.gather(get("alerts"), *(get("query", query=query) for _, query, _ in FIGURES))
    except (httpx.HTTPError, ValueError, KeyError) as error:
        silent = f"<strong>Prometheus does not answer</strong> ({escape(type(error).__name__)}): no alert, no figure."
        return f"<p>{missing or silent}</p>{await exported(exporter)}"
    figures = "".join(
        f"<div><dt>{label}</dt><dd>{escape(figure(answer['result'], form))}</dd></div>"
        for (label, _, form), answer in zip(FIGURES, answers, strict=True)
    )
    return f"{alert_list(alerts['alerts'])}<h2>What users feel</h2><dl>{figures}</dl>"


def page(title: str, links: str, body: str, *, refresh: bool = False) -> HTMLResponse:
    """Return a whole page; one that refreshes takes a new main part every 30 seconds."""
    again = f"<script>{_REFRESH}</script>" if refresh else ""
    return HTMLResponse(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{escape(title)}</title><style>{_STYLE}</style><body>"
        f"<nav>{links}</nav><main>{body}</main>{again}</body></html>"
    )


def create(settings: Settings) -> Starlette:
    """Build the application: `/`, `/runbooks/<name>.md`, `/health`."""
    url = f"http://127.0.0.1:{settings.monitoring.prometheus_port}"
    prometheus = httpx.AsyncClient(base_url=url, timeout=5, trust_env=False)
    exporter = httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{settings.monitoring.exporter_port}", timeout=5, trust_env=False
    )
    missing = escape(advice(settings))
    links = {
        **({} if missing else {"Prometheus": url}),
        "MLflow": settings.mlflow.tracking_uri,
        "Demo": f"http://127.0.0.1:{settings.demo.port}",
    }
    links |= {"API": f"{settings.api.base_url}/docs"}
    nav = "".join(f"<a href='{escape(address)}'>{name}</a>" for name, address in links.items())
    runbooks = {path.name: path for path in sorted(RUNBOOKS.glob("*.md"))}
    index = "".join(f"<li><a href='/runbooks/{name}'>{path.stem}</a></li>" for name, path in runbooks.items())

    async def status(request: Request) -> HTMLResponse:
        clock = time.strftime("%H:%M", time.gmtime())
        body = f"<h1>Readmission at {clock} UTC</h1>"
        body += await overview(prometheus, exporter, missing)
        return page("Readmission", nav, f"{body}<h2>Runbooks</h2><ul>{index}</ul>", refresh=True)

    async def runbook(request: Request) -> HTMLResponse | PlainTextResponse:
        if (path := runbooks.get(request.path_params["name"])) is None:
            return PlainTextResponse("There is no such runbook.", 404)
        text = MarkdownIt("commonmark").enable("table").render(path.read_text())
        return page(path.stem, "<a href='/'>Status</a>", text.replace("<pre>", "<pre tabindex=0>"))

    async def health(request: Request) -> PlainTextResponse:
        return PlainTextResponse("ok")

    return Starlette(routes=[Route("/", status), Route("/runbooks/{name}", runbook), Route("/health", health)])


if __name__ == "__main__":
    current = load_settings()
    uvicorn.run(create(current), host="127.0.0.1", port=current.monitoring.status_page_port, log_level="warning")
