"""The model card, the discharges, the status page and a runbook in a browser: both schemes, three widths, axe."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe

from readmission.embedded import monitoring, status_page
from readmission.evaluation import model_card, spanish_card
from readmission.evaluation.model_card import Facts
from readmission.settings import Settings
from tests.conftest import free_port
from tests.unit.evaluation.conftest import facts  # noqa: F401 (a fixture)

#: Page: the fixture with its host, its path, and a text that it must show.
PAGES = {
    "model-card": ("card", "/en.html", "Operating points"),
    "model-card-es": ("card", "/es.html", "Puntos de operación"),
    "discharges": ("demo", "/discharges", "discharges"),
    "discharges-es": ("demo", "/es/discharges", "altas"),
    "status": ("status", "/", "no alert"),
    "runbook": ("status", "/runbooks/ReadmissionBurn.md", "Mitigation"),
}


@pytest.fixture(scope="module")
def status(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the status page of a system without Prometheus; give its URL."""
    settings = Settings(_env_file=None, home=tmp_path_factory.mktemp("status"), prometheus_port=9)
    monitoring.configure(settings)
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(status_page.create(settings), port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def card(facts: Facts, tmp_path: Path) -> str:  # noqa: F811 (the fixture)
    """Write a model card in both languages; give the URL of their folder."""
    text = model_card.markdown(facts)
    (tmp_path / "en.html").write_text(model_card.html(text, "Model card"))
    (tmp_path / "es.html").write_text(model_card.html(spanish_card.translate(text), "Ficha del modelo", "es"))
    return tmp_path.as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", PAGES)
def test_a_page_fits_every_width_breaks_no_rule_and_asks_nobody_else(
    browser: Any, request: pytest.FixtureRequest, page: str, scheme: str, pictures: Path
) -> None:
    host, path, text = PAGES[page]
    url = str(request.getfixturevalue(host))
    for width in (1280, 768, 390):
        tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        asked: list[str] = []
        tab.on("request", lambda r, asked=asked: asked.append(r.url))
        tab.goto(f"{url}{path}")
        assert text.lower() in tab.inner_text("body").lower()
        tab.screenshot(path=pictures / f"{page}-{scheme}-{width}.png", full_page=True)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        ground = tab.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
        assert (sum(ground[:3]) < 3 * 64) == (scheme == "dark")
        assert [(v["id"], [n["target"] for n in v["nodes"]][:3]) for v in Axe().run(tab).response["violations"]] == []
        assert {address for address in asked if not address.startswith((url, "data:"))} == set()
        tab.close()
