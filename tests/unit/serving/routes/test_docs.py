"""The pages of documentation: complete, from one host, and with scripts of their own alone."""

import re

from starlette.applications import Starlette
from starlette.testclient import TestClient

from readmission import contract
from serving.routes import docs

PAGES = TestClient(Starlette(routes=docs.routes()))


def test_swagger_ui_loads_only_files_that_are_served_here() -> None:
    page = PAGES.get("/docs")
    assert page.text == PAGES.get("/").text
    linked = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert {"docs/swagger-ui.css", "docs/swagger-ui-bundle.js", "docs/start.js"} <= set(linked)
    assert all(PAGES.get(f"/{path}").status_code == 200 for path in linked if path != "openapi.json")
    assert "<script>" not in page.text
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert PAGES.get("/docs/swagger-ui-bundle.js").headers["content-type"].startswith("text/javascript")


def test_the_table_names_every_column_with_what_it_may_hold() -> None:
    page = PAGES.get("/docs/columns").text
    assert all(f"<code>{column.name}</code>" in page for column in contract.REQUEST_COLUMNS)
    assert "&#x27;[70-80)&#x27;" in page
    assert "<main>" in page and '<html lang="en">' in page
