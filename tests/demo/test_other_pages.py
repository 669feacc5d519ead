"""The model card, the status page, a runbook and an error in a browser: both schemes, three widths, axe."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from readmission.embedded import monitoring, status_page
from readmission.evaluation import model_card, spanish_card
from readmission.evaluation.model_card import Facts
from readmission.settings import Settings
from tests.conftest import free_port
from tests.demo.judged import judge
from tests.unit.evaluation.conftest import facts  # noqa: F401 (a fixture)

#: Page: the fixture with its host, its path, and a text that it must show.
PAGES = {
    "model-card": ("card", "/en.html", "Operating points"),
    "model-card-es": ("card", "/es.html", "Puntos de operación"),
    # Without a database; with one, tests/integration/api/test_worklist.py looks at it.
    "no-discharges": ("demo", "/discharges", "service is busy"),
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
    judge(browser, str(request.getfixturevalue(host)), path, text, scheme, pictures, page)
