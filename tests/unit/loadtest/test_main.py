"""The Locust command of a run."""

from pathlib import Path

from loadtest import __main__


def test_a_run_is_headless_unless_the_page_is_asked_for() -> None:
    folder = Path("reports")
    plain = __main__.command(__main__.parse(["course"]), "http://api", folder)
    assert plain[plain.index("--host") + 1] == "http://api" and plain[plain.index("--profile") + 1] == "course"
    assert "--headless" in plain and str(folder / "report.html") in plain and "--rows" not in plain
    page = __main__.command(__main__.parse(["course", "--web", "--rows", "x.csv"]), "http://api", folder)
    assert "--headless" not in page and page[page.index("--web-host") + 1] == "127.0.0.1"
    assert page[page.index("--rows") + 1] == "x.csv"
