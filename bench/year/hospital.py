"""The hospital of a simulated year: it delivers files, asks the API when patients leave, and reports outcomes."""

import contextlib
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pandas as pd

from bench.year.clock import Answered
from bench.year.plan import Delivery
from bench.year.system import System
from readmission import contract
from readmission.errors import UserError

log = logging.getLogger(__name__)

#: Columns that a partial request states, beside the identifiers.
PARTIAL = frozenset(c.name for c in contract.FEATURE_COLUMNS if c.required) | {"number_inpatient", "diag_1"}
#: Of so many requests one is partial, in the weeks in which some are.
_PARTIAL_SHARE = 4
#: Wards that discharge patients at the same time: the API writes one answer to disk while the next is asked for.
_WARDS = 4
#: Most outcomes of one request.
_OUTCOMES = 5_000


class Hospital:
    """Client of one system. What it was answered and has reported is what must not be lost.

    Args:
        system: The system, started.
        folder: Where the files of the deliveries are written.

    Attributes:
        answered: Encounter -> the answer about it.
        refused: Answers that were no prediction, by status code.
        reported: Simulated prediction id -> the newest outcome that was reported.
    """

    def __init__(self, system: System, folder: Path) -> None:
        folder.mkdir()
        self.answered: dict[str, Answered] = {}
        self.refused: dict[int, int] = {}
        self.reported: dict[str, str] = {}
        self._system, self._folder = system, folder
        self._fresh: list[Answered] = []
        self._http = httpx.Client(base_url=system.settings.api.base_url, timeout=30)

    def deliver(self, delivery: Delivery) -> Path:
        """Write one file where the system finds it."""
        path = self._folder / delivery.name
        path.write_bytes(delivery.content)
        return path

    def ask(self, stays: pd.DataFrame, *, partial: bool) -> int:
        """Ask for a prediction of every encounter; return how many were answered with one.

        Args:
            stays: Encounters that end.
            partial: Whether every fourth request states few columns only.
        """
        count = 0
        asked = records(stays)
        if partial:
            asked[::_PARTIAL_SHARE] = [
                {name: v for name, v in record.items() if name in PARTIAL | set(contract.IDENTIFIERS)}
                for record in asked[::_PARTIAL_SHARE]
            ]
        with ThreadPoolExecutor(_WARDS) as wards:
            answers = wards.map(self._ask_in_turn, (asked[ward::_WARDS] for ward in range(_WARDS)))
        moments = list(stays["discharged_at"])
        for ward, of_ward in enumerate(answers):
            rows = zip(asked[ward::_WARDS], moments[ward::_WARDS], of_ward, strict=True)
            for record, at, (status, content) in rows:
                if status == httpx.codes.OK:
                    answered = Answered(msgspec.json.decode(content)["prediction_id"], at.to_pydatetime())
                    self.answered[str(record["encounter_id"])] = answered
                    self._fresh.append(answered)
                    count += 1
                else:
                    self.refused[status] = self.refused.get(status, 0) + 1
        return count

    def _ask_in_turn(self, asked: Sequence[dict[str, Any]]) -> list[tuple[int, bytes]]:
        """Ask one request after the other over a connection; return status and content of each answer.

        The hospital shares two cores with the API. httpx would take as long for a request as the API for the answer.
        """
        address, answers = httpx.URL(self._system.settings.api.base_url), []
        with contextlib.closing(HTTPConnection(address.host, address.port, timeout=30)) as connection:
            for record in asked:
                content = msgspec.json.encode(record)
                connection.request("POST", "/predict", content, {"content-type": "application/json"})
                response = connection.getresponse()
                answers.append((response.status, response.read()))
        return answers

    def settle(self) -> int:
        """Wait until every new answer is in the database, move it to its time, and return how many never came."""
        if not self._fresh:
            return 0
        fresh, self._fresh = self._fresh, []
        clock = self._system.clock
        try:
            self._system.wait(lambda: clock.stored(fresh) == len(fresh), "answers are not in the database")
        except UserError as error:
            log.error("%s", error)
        missing = len(fresh) - clock.stored(fresh)
        clock.back_date(fresh)
        return missing

    def report(self, changes: pd.DataFrame) -> None:
        """Report the outcomes of half of the patients; of the others, only the files tell.

        Args:
            changes: Columns encounter_id, outcome and at (when it was known).
        """
        rows = [
            (self.answered[encounter].simulated_id, outcome, at)
            for encounter, outcome, at in changes.sort_values("at").itertuples(index=False)
            if encounter in self.answered and int(encounter) % 2 == 0
        ]
        for start in range(0, len(rows), _OUTCOMES):
            self._send(rows[start : start + _OUTCOMES])

    def _send(self, rows: Sequence[tuple[str, str, datetime]]) -> None:
        body = [
            {"prediction_id": name, "outcome": outcome, "observed_at": at.isoformat()} for name, outcome, at in rows
        ]
        counts = self._http.post("/feedback", json=body).raise_for_status().json()
        if counts["recorded"] + counts["pending"] != len(rows):
            log.error("outcomes were not taken: %s", counts)
        self.reported |= {name: outcome for name, outcome, _ in rows}


def records(stays: pd.DataFrame) -> list[dict[str, Any]]:
    """Return encounters as the API takes them; what is unknown is left out."""
    columns = {}
    for column in contract.REQUEST_COLUMNS:
        values = {text: column.parse(text) for text in stays[column.name].unique()}
        columns[column.name] = [values[text] for text in stays[column.name]]
    rows = zip(*columns.values(), strict=True)
    return [{name: v for name, v in zip(columns, row, strict=True) if v is not None} for row in rows]
