"""`readmission clinic`: discharge the patients of a made-up hospital, and show the calls and their cards."""

import json
import re
import time
from datetime import date
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.markdown import Markdown
from rich.panel import Panel
from rich.table import Table

from readmission.embedded import record_systems, status, up
from readmission.embedded.supervisor import Supervisor
from readmission.errors import UserError
from readmission.polling import wait_until
from readmission.sandbox import hospital, record_system
from readmission.sandbox.record_system import HookCall, RecordSystem
from readmission.settings import Settings

#: Seconds within which a worker reads a changed list of record systems.
_TRUSTED_IN = 15


def run(
    settings: Settings,
    *,
    patients: Annotated[int, typer.Option(help="How many patients to discharge.", min=1)] = 12,
    sample: Annotated[
        bool, typer.Option(help="If nothing runs yet, start on a small synthetic data set instead of the real one.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print every call and its answer, for programs.")] = False,
) -> None:
    """Discharge the patients of a made-up hospital from a sandbox record system, and show a call and its card.

    The embedded system is started if it does not run, and is left running. The record system gets a key of its own and
    is put on the embedded system's list. Its discharges are marked, so that no monitoring counts them.

    Raises:
        UserError: READMISSION_CDS_CLIENTS names another list, or the API refuses the calls.
    """
    if settings.clinic.clients is not None:
        raise UserError(
            "READMISSION_CDS_CLIENTS names a list of your own, to which the sandbox adds nothing: unset it."
        )
    if not (Supervisor(settings).running() and status.collect(settings)["ready"]):
        up.run(settings, detach=True, sample=sample or None)
    begun = time.monotonic()
    client = _trusted(settings)
    service = client.discover()
    calls = [client.discharge(service, stay, date.today()) for stay in client.hospital.discharges()[:patients]]
    if refusal := next((call for call in calls if call.status != 200), None):
        raise UserError(f"The API refused a discharge: {refusal.status} {json.dumps(refusal.answer)}")
    if as_json:
        typer.echo(json.dumps([{"request": c.request, "answer": c.answer, "seconds": c.seconds} for c in calls]))
        return
    _show(Console(), settings, client, service, calls)
    typer.echo(f"\n{len(calls)} discharges in {time.monotonic() - begun:.1f} s. `make down` stops the system.")


def _trusted(settings: Settings) -> RecordSystem:
    """Return a record system that the API trusts."""
    key = record_system.make_key(settings.home / "sandbox" / "key.pem")
    record_systems.trust(settings, "sandbox", record_system.ISSUER, record_system.key_set(key))
    url = record_systems.url(settings)
    client = RecordSystem(url, key, hospital.load(), f"http://127.0.0.1:{settings.api.port}")
    failure = ""

    def knows_us() -> bool:
        nonlocal failure
        try:
            failure = client.refusal()
        except httpx.HTTPError as error:
            raise UserError(f"The API at {url} does not answer: {type(error).__name__}") from error
        if "is off" in failure:
            raise UserError("The API was started before it had a list of record systems: `make down`, then again.")
        return not failure

    try:
        wait_until(knows_us, seconds=_TRUSTED_IN, failure="")
    except UserError as error:
        raise UserError(str(error) or f"The API does not trust the sandbox: {failure}") from error
    return client


def _show(
    console: Console, settings: Settings, client: RecordSystem, service: dict[str, Any], calls: list[HookCall]
) -> None:
    calls = sorted(calls, key=_risk, reverse=True)
    shown = calls[0]
    _show_call(console, service, shown)
    if shown.cards:
        _show_card(console, shown.cards[0])
        outcome = client.report(service, shown.cards[0])
        console.print(f"POST /cds-services/{service['id']}/feedback: {outcome}, recorded beside the prediction\n")
    console.print(_table(calls))
    api = f"http://127.0.0.1:{settings.api.port}"
    console.print("\nLook at")
    for what, where in (
        ("today's list of the discharge team", f"{api}/worklist"),
        ("the model card that every card links to", f"{api}/model-card"),
        ("the demo", f"http://127.0.0.1:{settings.demo.port}"),
    ):
        console.print(f"  {what:<42} {where}", soft_wrap=True)


def _show_call(console: Console, service: dict[str, Any], call: HookCall) -> None:
    context = call.request["context"]
    size = len(json.dumps(call.request)) / 1000
    console.print(f"GET /cds-services: {service['hook']}, prefetch {', '.join(service['prefetch'])}\n")
    console.print(
        f"POST /cds-services/{service['id']}: {context['patientId']} is discharged, stay {context['encounterId']}\n"
        "  Authorization: Bearer <JWT, ES384, valid for 120 s, once>",
        highlight=False,
        markup=False,
    )
    for key, resource in call.request["prefetch"].items():
        content = f"{len(resource['entry'])} resources" if resource["resourceType"] == "Bundle" else "1 resource"
        console.print(f"  {key:<16}{content}", highlight=False)
    console.print(f"{call.status} in {1000 * call.seconds:.0f} ms, for {size:.0f} kB\n", highlight=False)


def _show_card(console: Console, card: dict[str, Any]) -> None:
    colour = {"info": "cyan", "warning": "yellow", "critical": "red"}[card["indicator"]]
    title = f"{card['indicator']} · {card['source']['label']}"
    suggestions = [f"- [ ] {each['label']}" for each in card.get("suggestions", [])]
    reasons = "; ".join(reason["display"] for reason in card["overrideReasons"])
    text = "\n\n".join((f"## {card['summary']}", card["detail"], *suggestions, f"Override: {reasons}"))
    console.print(Panel(Markdown(text), title=title, border_style=colour))


def _table(calls: list[HookCall]) -> Table:
    table = Table("patient", "answer", "ms", title="Discharges of a made-up hospital (clinosim)", title_justify="left")
    for call in calls:
        answer = call.cards[0]["summary"].partition(";")[0] if call.cards else f"no card: {_no_card(call)}"
        table.add_row(call.request["context"]["patientId"], answer, f"{1000 * call.seconds:.0f}")
    return table


def _risk(call: HookCall) -> int:
    """Return the percentage in the summary of a card; -1 if there is none."""
    percentage = re.search(r"(\d+)%", call.cards[0]["summary"]) if call.cards else None
    return int(percentage[1]) if percentage else -1


def _no_card(call: HookCall) -> str:
    return "; ".join(each["allowed"] for each in call.answer.get("extension", {}).get("urn:readmission:no-card", []))
