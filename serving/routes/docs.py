"""Documentation that the API serves itself: Swagger UI with its try-it-out, and a table of every column.

Swagger UI comes with BentoML; its three files are served from here, so the page needs no other host.
"""

import html
import json
from collections.abc import Awaitable, Callable
from functools import cache
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from readmission import contract
from serving.predict.fields import allowed

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:75rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}
h1{font-size:1.6rem}h2{font-size:1.1rem;margin:2rem 0 .3rem}a{color:#0550ae}.scroll{overflow-x:auto}
pre{background:#f6f8fa;padding:.8rem;overflow:auto;border-radius:6px;font-size:.85rem}
table{border-collapse:collapse;width:100%;font-size:.875rem}caption{text-align:left}
td,th{text-align:left;vertical-align:top;padding:.4rem .8rem .4rem 0;border-bottom:1px solid #d0d7de}
td:nth-child(-n+3),th{white-space:nowrap}td:last-child{min-width:22rem;overflow-wrap:break-word}
@media(max-width:60rem){tr{display:block;padding:.5rem 0;border-bottom:1px solid #d0d7de}th{display:none}
td{display:inline;border:0}td:nth-child(-n+3){white-space:normal}td:last-child{display:block;min-width:0}}
@media(prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}pre{background:#161b22}a{color:#79c0ff}
tr,td,th{border-color:#30363d}}
"""
#: Files of Swagger UI, and the script that starts it: no script stands in the page itself.
_ASSETS = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
_START = b"""window.onload = () => SwaggerUIBundle({url: 'openapi.json', dom_id: '#swagger',
  deepLinking: true, tryItOutEnabled: true, displayRequestDuration: true, validatorUrl: null,
  defaultModelsExpandDepth: 0});
"""
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
#: Swagger UI is light alone. In the dark its colours are inverted and their hues turned back; code stands on a dark
#: ground already.
_FRAME = """
body{margin:0;background:#fff}nav{padding:10px 20px;font:15px/1.5 system-ui,sans-serif;background:#1b3a44}
nav a{color:#fff;margin-right:1.5em}#swagger{color-scheme:light}
@media(prefers-color-scheme:dark){body{background:#191919}#swagger{background:#fff;filter:invert(.9) hue-rotate(180deg)}
#swagger .highlight-code,#swagger img{filter:invert(1) hue-rotate(180deg)}}
"""
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Readmission API</title>
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<link rel="stylesheet" href="docs/swagger-ui.css"><style>%s</style>
<nav aria-label="Documentation"><a href="docs/columns">Columns and what they may hold</a>
<a href="openapi.json">openapi.json</a></nav>
<main id="swagger"></main><script src="docs/swagger-ui-bundle.js"></script><script src="docs/start.js"></script></html>
"""


def routes() -> list[Route]:
    """Return the routes of the documentation."""
    assets = [Route(f"/docs/{name}", _asset(name, kind)) for name, kind in _ASSETS.items()]
    return [
        Route("/", swagger),
        Route("/docs", swagger),
        Route("/docs/columns", columns),
        Route("/docs/start.js", start),
        *assets,
    ]


async def swagger(request: Request) -> Response:
    """Answer the page of Swagger UI."""
    return HTMLResponse(_PAGE % _FRAME, headers={"content-security-policy": _POLICY})


async def start(request: Request) -> Response:
    """Answer the script that starts Swagger UI."""
    return Response(_START, media_type="text/javascript")


async def columns(request: Request) -> Response:
    """Answer the table of every column of a request."""
    return html_response(draw_columns())


def _asset(name: str, kind: str) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return Response(read_asset(name), media_type=kind)

    return answer


@cache
def read_asset(name: str) -> bytes:
    """Return one file of the Swagger UI that BentoML ships."""
    return files("bentoml").joinpath("_internal", "server", "static_content", name).read_bytes()


@cache
def draw_columns() -> str:
    """Draw an example and every column: meaning, whether it is needed, what it may hold."""
    rows = "".join(
        f"<tr><td><code>{html.escape(c.name)}</code><td>{html.escape(c.label)}"
        f"<td>{'required' if c.required else 'optional'}<td>{html.escape(allowed(c))}"
        for c in (*contract.REQUEST_COLUMNS, contract.ICD)
    )
    example = html.escape(json.dumps(dict(contract.EXAMPLE), indent=2))
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Columns of the Readmission API</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style><main>'
        "<h1>Columns of an encounter</h1><p>A request carries the data set's own columns. "
        '<a href="../docs">All requests, to try out</a> · <a href="../openapi.json">openapi.json</a></p>'
        f'<div class="scroll" tabindex="0" role="region" aria-label="Columns"><table>'
        f"<thead><tr><th>Column<th>Meaning<th>Needed<th>Allowed</thead><tbody>{rows}</table></div>"
        f"<h2>An example</h2><pre>{example}</pre></main></html>"
    )


def html_response(page: str | bytes) -> HTMLResponse:
    """Return a page that loads nothing but its own style."""
    return HTMLResponse(page, headers={"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"})
