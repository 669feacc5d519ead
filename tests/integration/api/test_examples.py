"""The examples of docs/api.md and the client, against a running API."""

import itertools
import json
import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from readmission.client import ApiError, Client, InvalidError, Prediction, Refusal
from tests.integration.api.tools import EXAMPLE, Api, install, serve_model, until

PAGE = (Path(__file__).parents[3] / "docs" / "api.md").read_text()


@pytest.fixture(scope="module")
def api(compiled: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with serve_model(tmp_path_factory.mktemp("api"), compiled["lightgbm"]) as running:
        yield running


@pytest.mark.parametrize("example", re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL))
def test_the_examples_of_the_page_work(api: Api, example: str) -> None:
    url = str(api.http.base_url).rstrip("/")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", example],
        env={"API": url, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    if "text/csv" in example:
        assert len(done.stdout.splitlines()) == 2 and done.stdout.splitlines()[1].endswith(",")
        return
    content = json.loads(done.stdout)
    assert "error" not in content
    assert ("errors" in content and "predictions" not in content) == ('-d \'{"age": "old"}' in example)


def test_the_python_example_works(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(example, {"API": str(api.http.base_url)})
    assert float(capsys.readouterr().out.split()[1]) > 0


def test_the_client_types_answers_and_problems(api: Api) -> None:
    with Client(str(api.http.base_url)) as client:
        answer = client.predict(EXAMPLE)
        assert answer.probabilities["<30"] == answer.readmission_risk_30d and answer.timestamp.tzinfo
        batch = client.predict_batch([EXAMPLE, {}])
        assert len(batch.predictions) == 1 and batch.errors[0].index == 1
        kinds = [type(entry) for entry in client.predict_stream([EXAMPLE, {}, EXAMPLE])]
        assert kinds == [Prediction, Refusal, Prediction]
        explained = client.explain(EXAMPLE)
        assert explained.base + sum(explained.contributions.values()) == pytest.approx(explained.margin)
        assert client.feedback(answer.prediction_id, "NO") == "pending"
        assert client.model_info()["model_version"] == "1"
        with pytest.raises(InvalidError, match="age: level"):
            client.predict({**EXAMPLE, "age": "old"})


def test_long_streams_of_two_clients_end_and_hold_up_no_other_batch(api: Api) -> None:
    """In one connection, with the whole body sent before the answer was read, 20,000 encounters hung for good."""
    url = str(api.http.base_url)

    def stream(count: int) -> int:
        with Client(url, retries=8) as client:
            return sum(type(entry) is Prediction for entry in client.predict_stream(itertools.repeat(EXAMPLE, count)))

    with ThreadPoolExecutor(2) as pool, Client(url, retries=8) as other:
        streams = [pool.submit(stream, count) for count in (50_000, 20_000)]
        assert len(other.predict_batch([EXAMPLE]).predictions) == 1
        assert [running.result(timeout=240) for running in streams] == [50_000, 20_000]


def test_the_client_asks_again_while_the_api_has_no_model(compiled: dict[str, Path], tmp_path: Path) -> None:
    api = Api(tmp_path, {}).wait()
    try:
        with Client(str(api.http.base_url), retries=0) as client, pytest.raises(ApiError) as caught:
            client.predict(EXAMPLE)
        assert caught.value.status == 503
        install(tmp_path, compiled["lightgbm"], "1")
        with Client(str(api.http.base_url), retries=5) as client:
            assert client.predict(EXAMPLE).model_version == "1"
        until(lambda: api.info()["workers"])
    finally:
        api.stop()
    with Client("http://127.0.0.1:9", retries=1) as client, pytest.raises(ApiError, match="cannot be reached"):
        client.predict(EXAMPLE)
