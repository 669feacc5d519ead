"""The demo's ASGI application: the page beside /health and /metrics, with nothing loaded from outside."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import gradio as gr
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.middleware.base import RequestResponseEndpoint

from readmission.contract import icd
from serving.demo import table, worklist
from serving.demo.client import DemoClient, UnavailableError
from serving.demo.language import DEFAULT, LANGUAGES, preferred
from serving.demo.page import TITLE, build

HERE = Path(__file__).parent
#: An uploaded file of encounters may not be larger; 100,000 encounters are about 20 MB.
MAX_UPLOAD = "100mb"
#: How often Gradio looks into its queue, in seconds: far below what a person notices.
QUEUE_POLL = 0.1
#: Gradio's page needs inline scripts and styles and evaluates templates; nothing may come from elsewhere.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
        "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
#: The card is an artifact of the registry: as in the API, it may have styles of its own and nothing else.
CARD_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
THEME = gr.themes.Base(
    primary_hue=gr.themes.colors.teal,
    neutral_hue=gr.themes.colors.slate,
    radius_size=gr.themes.sizes.radius_md,
    font=["system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"],
    font_mono=["ui-monospace", "Consolas", "monospace"],
)

#: Gradio names the browser's language as the page's.
_SPEAK = """{
  const root = document.documentElement, language = '%(language)s';
  const speak = () => { if (root.lang !== language) root.lang = language; };
  speak();
  new MutationObserver(speak).observe(root, {attributeFilter: ['lang']});
}
"""


def create(api: str, key: str = "", system: icd.System = "9cm") -> FastAPI:
    """Build the demo's ASGI application.

    Args:
        api: URL of the prediction API.
        key: API key with the scope ``predict``. If empty, none is sent.
        system: Code system of diagnoses that the page chooses at first.
    """
    client = DemoClient(api, key)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await client.close()

    app = FastAPI(title=TITLE, docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.middleware("http")(_harden)
    app.middleware("http")(_choose_language)
    _add_routes(app)
    # The page at the root answers every path that is left, so it comes last.
    for language in sorted(LANGUAGES, key=lambda code: code == DEFAULT):
        path = "" if language == DEFAULT else f"/{language}"
        app.include_router(_add_pages(client, language), prefix=path)
        app.include_router(worklist.routes(client, language), prefix=path)
        app = _mount(app, build(client, language, system), language, path)
    return app


def _mount(app: FastAPI, page: gr.Blocks, language: str, path: str) -> FastAPI:
    script = _SPEAK % {"language": language} + (HERE / "form.js").read_text(encoding="utf-8")
    mounted: FastAPI = gr.mount_gradio_app(
        app,
        page,
        path=path,
        footer_links=[],
        run_history=False,
        max_file_size=MAX_UPLOAD,
        ssr_mode=False,
        enable_monitoring=False,
        mcp_server=False,
        theme=THEME,
        css_paths=HERE / "style.css",
        head=f'<meta name="color-scheme" content="light dark"><script>{script}</script>',
    )
    # Gradio refuses paths that nobody uploaded only if this is set, and only `launch` sets it.
    page.has_launched = True
    # Gradio polls its queue a thousand times a second: 2 % of a core while nobody is there.
    page._queue.sleep_when_free = page._queue.progress_update_sleep_when_free = QUEUE_POLL
    return mounted


def _add_routes(app: FastAPI) -> None:
    @app.get("/health")
    async def health() -> dict[str, str]:
        """Report that the page is served. Whether the API answers is shown on the page itself."""
        return {"status": "ok"}

    @app.get("/metrics")
    async def metrics() -> Response:
        """Return the Prometheus metrics of this process."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def _add_pages(client: DemoClient, language: str) -> APIRouter:
    """Return what the page in a language links to, to be served beside it."""
    router = APIRouter()

    @router.get("/model-card")
    async def model_card() -> Response:
        """Return the model card of the version that answers, from the API."""
        try:
            page = await client.model_card(language)
        except UnavailableError as error:
            return Response(str(error), 503, media_type="text/plain")
        headers = {"Content-Security-Policy": CARD_POLICY}
        return Response(page or "This model has no card.", 200 if page else 404, headers, media_type="text/html")

    @router.get("/template.csv")
    async def template() -> Response:
        """Return a file with the names of all columns."""
        return Response(table.template(), media_type="text/csv")

    @router.get("/example.csv")
    async def example() -> Response:
        """Return a file with three encounters."""
        return Response(table.example(), media_type="text/csv")

    return router


async def _harden(request: Request, call_next: RequestResponseEndpoint) -> Response:
    response = await call_next(request)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


async def _choose_language(request: Request, call_next: RequestResponseEndpoint) -> Response:
    """Lead a browser from the root to the page in its language, unless the address names one."""
    path = request.url.path.removeprefix("/")
    language = path or ("" if request.url.query else preferred(request.headers.get("accept-language", "")))
    if language in LANGUAGES and language != DEFAULT and request.method == "GET":
        return RedirectResponse(f"{language}/", 307, {"Vary": "Accept-Language"})
    return await call_next(request)
