"""Models come and go without a drop: real registry, real processes."""

import io
import json
import re
import shutil
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx
import pandas as pd

from readmission import models
from readmission.data import synthetic
from readmission.features import encoding, history
from readmission.files import file_sha256
from readmission.scorer import compiler
from readmission.settings import Settings
from tests.integration.api.tools import EXAMPLE, TOKEN, Api, Registry, Starter, install, until

BEARER = {"authorization": f"Bearer {TOKEN}"}


def test_a_model_is_promoted_swapped_and_survives_everything_down(
    start: Starter, registry: Registry, compiled: dict[str, Path]
) -> None:
    api = start(**registry.environment()).wait()
    assert api.http.get("/readyz").status_code == 503
    refused = api.predict()
    assert refused.status_code == 503 and "no model is loaded" in refused.json()["error"]
    assert refused.headers["retry-after"]

    assert registry.publish(compiled["lightgbm"]) == "1"
    api.wait("/readyz")
    assert api.predict().json()["model_version"] == "1"
    registry.publish(compiled["decision_tree"])
    assert api.http.post("/reload-model").status_code == 401
    assert api.http.post("/reload-model", headers=BEARER).status_code == 202
    until(lambda: api.info()["model_version"] == "2")
    info = api.info()
    assert (info["family"], info["engine"], info["synthetic"]) == ("decision_tree", "lightgbm", True)
    assert api.metric("readmission_model_info", model_version="2", variant="champion") == 1
    assert api.metric("readmission_model_info", model_version="1") == 0
    assert api.metric("readmission_model_reloads_total", result="swapped") == 2
    assert api.stop() == 0

    cold = start(READMISSION_MODEL_NAME=registry.name, READMISSION_POSTGRES_PORT=9).wait("/readyz")
    assert cold.predict().json()["model_version"] == "2"
    until(lambda: cold.http.get("/health").json()["status"] == "degraded")
    assert "cannot be read" in cold.http.get("/health").json()["registry"]


def test_the_gauges_of_all_processes_tell_the_truth(
    start: Starter, registry: Registry, compiled: dict[str, Path]
) -> None:
    """A gauge that one process alone sets is 0 in the others; the page must not say that."""
    registry.publish(compiled["lightgbm"])
    api = start(**registry.environment()).wait("/readyz")
    until(lambda: api.metric("readmission_registry_up") == 1)
    until(lambda: api.metric("readmission_disk_free_bytes") > 1e6)
    assert api.metric("readmission_model_loaded_timestamp_seconds") > time.time() - 60
    memory = [
        float(line.rpartition(" ")[2])
        for line in api.http.get("/metrics").text.splitlines()
        if line.startswith("readmission_process_resident_memory_bytes{")
    ]
    assert len(memory) == 2, "the worker and the sidecar"
    assert min(memory) > 1e7


def corrupt(folder: Path) -> None:
    (folder / "trees.txt").write_text("tree\nnonsense")


def another_contract(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"contract_version": 99}))


def no_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def wrong_answers(folder: Path) -> None:
    golden = json.loads((folder / "golden.json").read_text())
    golden[0]["probabilities"] = [0.1, 0.2, 0.7]
    (folder / "golden.json").write_text(json.dumps(golden))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["golden.json"] = file_sha256(folder / "golden.json")
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_what_must_not_be_served_is_not(
    start: Starter, registry: Registry, compiled: dict[str, Path], tmp_path: Path
) -> None:
    registry.publish(compiled["lightgbm"])
    api = start(**registry.environment()).wait("/readyz")

    def broken(change: Callable[[Path], None]) -> Path:
        folder = tmp_path / change.__name__
        shutil.copytree(compiled["decision_tree"], folder)
        change(folder)
        return folder

    def is_refused(version: str, reason: str) -> bool:
        problem = api.info()["problem"] or ""
        return version in problem and reason in problem

    expected = {
        corrupt: "trees.txt is missing or is not what was compiled",
        another_contract: "contract version 99",
        no_manifest: "HTTP",
        wrong_answers: "golden rows",
    }
    for change, reason in expected.items():
        version = registry.publish(broken(change))
        until(partial(is_refused, version, reason))
        assert api.predict().json()["model_version"] == "1"
    assert api.metric("readmission_model_reloads_total", result="download_failed") == 3
    assert api.metric("readmission_model_reloads_total", result="failed") >= 1
    version = registry.publish(compiled["decision_tree"])
    until(lambda: api.info()["model_version"] == version)
    assert api.info()["problem"] == ""


def test_a_version_that_ends_its_process_is_left_alone(compiled: dict[str, Path], tmp_path: Path) -> None:
    """Trees of more than 32 leaves are walked by LightGBM, which follows a wrong child out of its memory."""
    text = pd.read_csv(io.BytesIO(synthetic.generate(3000, seed=5)), dtype=str, keep_default_na=False, skiprows=1)
    frame = history.add(encoding.typed_frame(text))
    params = {"n_estimators": 3, "num_leaves": 63, "min_child_samples": 5}
    fitted = models.build("lightgbm", params).fit(frame, encoding.target(frame))
    deadly = tmp_path / "deadly"
    shutil.copytree(compiled["lightgbm"], deadly)
    compiler.compile_pipeline(
        fitted,
        deadly,
        family="lightgbm",
        sample=frame[:100],
        metrics={},
        synthetic=True,
        visits=history.pack(frame),
        prevalence=0.1,
    )
    trees = deadly / "trees.txt"
    trees.write_text(re.sub(r"left_child=\d+", "left_child=50000000", trees.read_text()))
    manifest = json.loads((deadly / "manifest.json").read_text())
    manifest["files"]["trees.txt"] = file_sha256(trees)
    (deadly / "manifest.json").write_text(json.dumps(manifest))
    home = tmp_path / "home"
    install(home, compiled["lightgbm"], "1")
    install(home, deadly, "2")
    api = Api(home, {}).wait("/readyz")
    assert api.predict().json()["model_version"] == "1"
    assert "version 2 is not served: processes that loaded it ended" in api.info()["problem"]
    api.stop()


def ask(api: Api, stop: threading.Event, answers: list[tuple[int, dict]]) -> None:
    """Ask until told to stop, and keep every answer."""
    with httpx.Client(base_url=api.http.base_url, trust_env=False) as client:
        while not stop.is_set():
            answer = client.post("/predict", json=EXAMPLE)
            answers.append((answer.status_code, answer.json()))


def test_twenty_swaps_under_load_drop_and_mix_nothing(
    start: Starter, database: Settings, compiled: dict[str, Path]
) -> None:
    install(database.home, compiled["lightgbm"], "1")
    api = start(READMISSION_API_WORKERS=2).wait("/readyz")
    until(lambda: len(api.workers()) == 2)
    expected = {}
    install(database.home, compiled["decision_tree"], "2")
    until(lambda: all(w["champion"] == "2" for w in api.info()["workers"]))
    expected["even"] = api.predict().json()["probabilities"]
    install(database.home, compiled["lightgbm"], "3")
    until(lambda: all(w["champion"] == "3" for w in api.info()["workers"]))
    expected["odd"] = api.predict().json()["probabilities"]
    assert expected["odd"] != expected["even"]
    answers: list[tuple[int, dict]] = []
    stop = threading.Event()

    def is_loaded(version: str) -> bool:
        return all(worker["champion"] == version for worker in api.info()["workers"])

    def is_answering(version: str) -> bool:
        return bool(answers[-1][1]["model_version"] == version)

    threads = [threading.Thread(target=ask, args=(api, stop, answers)) for _ in range(4)]
    for thread in threads:
        thread.start()
    until(lambda: len(answers) > 10)
    for number in range(4, 24):
        install(database.home, compiled["lightgbm" if number % 2 else "decision_tree"], str(number))
        until(partial(is_loaded, str(number)), 5)
        until(partial(is_answering, str(number)), 5)
    stop.set()
    for thread in threads:
        thread.join()
    assert len(answers) > 100
    assert {code for code, _ in answers} == {200}
    for _, answer in answers:
        kind = "odd" if int(answer["model_version"]) % 2 else "even"
        assert answer["probabilities"] == expected[kind]
    assert len({answer["model_version"] for _, answer in answers}) == 21
