"""GET /worklist and POST /follow-ups: yesterday's and today's discharges by risk, and what was done about them."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from readmission.errors import UserError
from readmission.fhir.resources import NotUsableError
from readmission.settings import Settings
from serving import http
from serving.clinic.events import read_follow_up, write_event
from serving.edge.auth import CLIENT
from serving.http import JsonResponse
from serving.routes.lines import write_csv_line

#: Most discharges on a list, and the largest body of a follow-up in bytes.
MOST, _MAX_BODY = 2_000, 65_536
_PATIENCE = 5.0
log = logging.getLogger(__name__)


class ListedDischarge(msgspec.Struct, kw_only=True):
    """Discharge on the follow-up team's list.

    Attributes:
        rank: 1 is the highest risk.
        within_capacity: Whether the team can follow it up, by READMISSION_WORKLIST_CAPACITY.
        patient: FHIR reference, or the data's patient number.
        follow_up: What was done last: ``called``, ``visit booked``, ``not reached``, or nothing.
    """

    rank: int
    within_capacity: bool
    prediction_id: str
    patient: str
    stay: str
    discharged_on: str
    readmission_risk_30d: float
    model_version: str
    follow_up: str
    noted_at: str


class Worklist(msgspec.Struct):
    """Today's and yesterday's discharges, the highest risk first."""

    capacity: int
    discharges: list[ListedDischarge]


class Worklists:
    """Routes of the follow-up team.

    Args:
        settings: Database, state folder and the team's capacity.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._thread = ThreadPoolExecutor(1, "worklist")
        self._store: Any = None

    async def list(self, request: Request) -> Response:
        """Answer the list, as JSON or (with `?format=csv`) as a CSV file."""
        yesterday = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
        try:
            async with asyncio.timeout(_PATIENCE):
                arguments = yesterday, CLIENT.get(), http.request_id(request.headers.raw).decode()
                running = asyncio.get_running_loop().run_in_executor(self._thread, self._read, *arguments)
                rows = await asyncio.shield(running)
        except TimeoutError:
            rows = None
        if rows is None:
            return http.sentence(503, "the database does not answer: try again later", {"retry-after": "5"})
        capacity = self._settings.clinic.capacity
        listed = [_listed(rank, row, capacity) for rank, row in enumerate(rows, 1)]
        if request.query_params.get("format") != "csv":
            return JsonResponse(Worklist(capacity, listed))
        lines = [write_csv_line(list(ListedDischarge.__struct_fields__))]
        lines += [write_csv_line([str(value) for value in msgspec.structs.astuple(each)]) for each in listed]
        headers = {"content-disposition": 'attachment; filename="discharges.csv"'}
        return Response(b"".join(lines), 200, headers, "text/csv")

    async def follow_up(self, request: Request) -> Response:
        """Record what was done about one discharge."""
        body = await http.whole_body(request.receive, _MAX_BODY)
        try:
            event = read_follow_up(body)
            await asyncio.to_thread(write_event, self._settings.home / "spool" / "clinic", event)
        except NotUsableError as error:
            problems = [{"field": i.where, "problem": "level", "allowed": i.text} for i in error.issues]
            return JsonResponse({"errors": problems}, 400)
        except OSError:
            return http.sentence(503, "it cannot be kept now: try again later", {"retry-after": "30"})
        return JsonResponse({"status": "recorded"})

    def _read(self, since: datetime, client: str, request_id: str) -> Any:
        import psycopg2  # imported only by workers that are asked for a list

        from serving.sidecar.store import Store

        self._store = self._store or Store(self._settings)
        try:
            return self._store.worklist(since, MOST, client, request_id)
        except (psycopg2.Error, UserError) as error:
            log.warning("the list cannot be read: %s", type(error).__name__)
            return None


def _listed(rank: int, row: tuple[Any, ...], capacity: int) -> ListedDischarge:
    prediction_id, patient, stay, day, risk, version, action, noted_at, _ = row
    return ListedDischarge(
        rank=rank,
        within_capacity=rank <= capacity,
        prediction_id=prediction_id,
        patient=patient,
        stay=stay,
        discharged_on=day.isoformat(),
        readmission_risk_30d=risk,
        model_version=version,
        follow_up=action or "",
        noted_at=noted_at.isoformat() if noted_at else "",
    )
