"""What the hospital of a simulated year asks."""

import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pandas as pd

from bench.year.clock import Answered
from bench.year.hospital import PARTIAL, Hospital, records
from bench.year.system import System
from readmission import contract
from readmission.data import synthetic

ROWS = pd.read_csv(io.BytesIO(synthetic.generate(50, seed=3)), dtype=str, keep_default_na=False, skiprows=1)


def test_requests_state_what_the_file_states_and_no_outcome() -> None:
    for record, (_, row) in zip(records(ROWS), ROWS.iterrows(), strict=True):
        assert contract.TARGET not in record
        for column in contract.REQUEST_COLUMNS:
            text = row[column.name]
            assert column.text(record.get(column.name)) == text or (text == "?" and column.name not in record)


def test_a_partial_request_states_all_that_is_required() -> None:
    assert {column.name for column in contract.FEATURE_COLUMNS if column.required} < PARTIAL
    assert {"number_inpatient", "diag_1"} < PARTIAL < set(contract.FEATURE_NAMES)


class Answers(BaseHTTPRequestHandler):
    """Predicts for encounters of even number, and refuses the others."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        record = json.loads(self.rfile.read(int(self.headers["content-length"])))
        encounter = int(record["encounter_id"])
        content = json.dumps({"prediction_id": f"p-{encounter}"}).encode()
        self.send_response(422 if encounter % 2 else 200)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def test_every_answer_belongs_to_the_encounter_that_was_asked_about(tmp_path: Path) -> None:
    stays = ROWS.assign(
        encounter_id=[str(100 + i) for i in range(len(ROWS))],
        discharged_at=pd.date_range("2024-01-01", periods=len(ROWS), freq="h", tz="UTC"),
    )
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = SimpleNamespace(base_url=f"http://127.0.0.1:{server.server_port}")
        hospital = Hospital(cast(System, SimpleNamespace(settings=SimpleNamespace(api=address))), tmp_path / "files")
        assert hospital.ask(stays, partial=True) == 25 and hospital.refused == {422: 25}
        server.shutdown()
    assert hospital.answered == {
        str(row.encounter_id): Answered(f"p-{row.encounter_id}", row.discharged_at.to_pydatetime())
        for row in stays[::2].itertuples()
    }
