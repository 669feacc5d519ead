"""Take the pictures of the documentation from the running system: `make pictures`.

`make up AIRFLOW=1 MONITORING=1` starts all parts that are shown. Pages are opened in headless Chromium, and the panels
of the dashboards are drawn from their queries, because Grafana runs on clusters only. A part that does not run is
named, and its picture stays as it is.
"""

import io
import shutil
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import panel_pictures
from PIL import Image
from playwright.sync_api import Error, Page, sync_playwright

from readmission import contract
from readmission.settings import Settings, load_settings

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "pictures"
#: Marks the requests that are sent for the pictures: monitoring leaves them out.
_HEADERS = {"x-request-id": "demo-pictures"}
#: MLflow's assistant opens by itself in each new browser; the item says that it has.
_NO_ASSISTANT = "localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true')"
_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
_COLOURS = 128


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One picture of the documentation.

    Attributes:
        part: Who shows it, as `readmission status` calls it.
        url: Where it is; an address that answers if the part runs.
        take: Takes it and returns a PNG.
    """

    part: str
    url: str
    take: Callable[[Page, str, Settings], bytes]


def pictures(settings: Settings) -> dict[str, Picture]:
    """Return every picture by the name of its file."""
    demo, api = f"http://127.0.0.1:{settings.demo.port}", settings.api.base_url
    mlflow = settings.mlflow.tracking_uri
    prometheus = f"http://127.0.0.1:{settings.monitoring.prometheus_port}"
    status = f"http://127.0.0.1:{settings.monitoring.status_page_port}"
    airflow = f"http://127.0.0.1:{settings.airflow.port}"
    return {
        "demo-en": Picture(part="the demo", url=f"{demo}/?language=en", take=_demo),
        "demo-es": Picture(part="the demo", url=f"{demo}/es/", take=_demo),
        "api-docs": Picture(part="the API", url=f"{api}/docs", take=_api_docs),
        "mlflow-runs": Picture(part="MLflow", url=mlflow, take=_mlflow),
        "calibration": Picture(part="the API", url=f"{api}/model-info", take=_calibration),
        "airflow-graph": Picture(part="Airflow", url=airflow, take=_airflow),
        "status-page": Picture(part="the status page", url=status, take=_page),
        "dashboard-api": Picture(
            part="Prometheus", url=prometheus, take=_dashboard("readmission-api", "Now", "Requests")
        ),
        "dashboard-model": Picture(
            part="Prometheus",
            url=prometheus,
            take=_dashboard("readmission-model", "Champion", "History", "At the bedside"),
        ),
    }


def _demo(page: Page, url: str, settings: Settings) -> bytes:
    """Show the third example, a patient who came back within 30 days, with its answer."""
    page.goto(url)
    page.locator("#presets button").nth(2).click()
    page.wait_for_selector("#answer .answer")
    page.wait_for_timeout(1500)
    return page.screenshot()


def _page(page: Page, url: str, settings: Settings) -> bytes:
    page.goto(url)
    page.wait_for_timeout(1000)
    return page.screenshot()


def _api_docs(page: Page, url: str, settings: Settings) -> bytes:
    page.goto(url)
    page.wait_for_selector(".opblock")
    return page.screenshot()


def _mlflow(page: Page, url: str, settings: Settings) -> bytes:
    """Show the runs of the experiment with their metrics."""
    page.add_init_script(_NO_ASSISTANT)
    page.goto(f"{url}/#/experiments/1/runs?workflowType=machine_learning")
    page.wait_for_selector("text=train batches", timeout=120_000)
    page.wait_for_timeout(3000)
    return page.screenshot()


def _airflow(page: Page, url: str, settings: Settings) -> bytes:
    """Log in and show the graph of the DAG that trains."""
    password = settings.airflow.password
    page.goto(f"{url}/auth/login")
    page.locator("input[name=username]").fill("admin")
    page.locator("input[name=password]").fill(password.get_secret_value() if password else "")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda address: "login" not in address)
    page.evaluate("""localStorage.setItem("default_dag_view", '"graph"')""")
    page.goto(f"{url}/dags/readmission_train")
    page.wait_for_selector(".react-flow__node", timeout=60_000)
    page.wait_for_timeout(3000)
    return page.screenshot()


def _calibration(page: Page, url: str, settings: Settings) -> bytes:
    """Return the calibration curve that MLflow keeps with the champion's run."""
    run = httpx.get(url, trust_env=False).raise_for_status().json()["run_id"]
    parameters = {"run_uuid": run, "path": "calibration_curve.png"}
    address = f"{settings.mlflow.tracking_uri}/get-artifact"
    return httpx.get(address, params=parameters, trust_env=False).raise_for_status().content


def _dashboard(uid: str, *rows: str) -> Callable[[Page, str, Settings], bytes]:
    def take(page: Page, url: str, settings: Settings) -> bytes:
        def ask(path: str, parameters: Mapping[str, str]) -> list[dict[str, Any]]:
            answer = httpx.get(f"{url}/api/v1/{path}", params=dict(parameters), trust_env=False).raise_for_status()
            result: list[dict[str, Any]] = answer.json()["data"]["result"]
            return result

        target = io.BytesIO()
        panel_pictures.draw_dashboard(ask, uid, rows).savefig(target, format="png")
        return target.getvalue()

    return take


def runs(url: str) -> bool:
    """Tell whether something answers at an address."""
    try:
        return httpx.get(url, timeout=5, trust_env=False, follow_redirects=True).status_code < 500
    except httpx.HTTPError:
        return False


def send_requests(settings: Settings, seconds: float) -> None:
    """Send predictions of made-up patients for a while, so that the dashboards have something to show."""
    with httpx.Client(base_url=settings.api.base_url, headers=_HEADERS, trust_env=False) as client:
        for number in range(int(10 * seconds)):
            client.post("/predict", json=dict(contract.EXAMPLE) | {"number_inpatient": number % 7})
            time.sleep(0.1)


def smaller(png: bytes) -> bytes:
    """Return a picture with few colours, which a repository can hold."""
    target = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(_COLOURS).save(target, "PNG", optimize=True)
    return target.getvalue()


@contextmanager
def opened(width: int, height: int) -> Iterator[Page]:
    """Open a tab in headless Chromium."""
    program = next((path for name in _CHROMIUM if (path := shutil.which(name))), None)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield browser.new_page(viewport={"width": width, "height": height}, locale="en-US")
        browser.close()


def main(arguments: list[str]) -> int:
    """Take the pictures that are named, or all; 1 if one could not be taken."""
    settings = load_settings()
    listed = pictures(settings)
    parser = ArgumentParser(prog="scripts/pictures.py", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(listed)} [all]")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to send predictions first [60]")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - listed.keys():
        parser.error(f"there is no picture {', '.join(sorted(unknown))}; there are {', '.join(listed)}")
    absent = {name for name, picture in listed.items() if not runs(picture.url)}
    if runs(settings.api.base_url + "/readyz"):
        send_requests(settings, options.seconds)
    failed = 0
    for name in options.names or listed:
        picture = listed[name]
        try:
            if name in absent:
                raise httpx.ConnectError(f"{picture.part} does not run at {picture.url}")
            with opened(1280, 860) as page:
                content = smaller(picture.take(page, picture.url, settings))
            (FOLDER / f"{name}.png").write_bytes(content)
            print(f"{name}.png: {len(content) / 1000:.0f} kB")
        except (Error, httpx.HTTPError, LookupError) as error:
            failed += 1
            print(f"{name}.png stays as it is: {str(error).splitlines()[0]}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
