"""`readmission status`: every part, the batches, the model; ready only when a prediction is answered."""

import contextlib
import json
from typing import Annotated, Any

import httpx
import psycopg2
import typer

from readmission import contract
from readmission.embedded.component import Part
from readmission.embedded.components import parts
from readmission.embedded.supervisor import Supervisor
from readmission.errors import UserError
from readmission.registry import intents, locks
from readmission.registry.aliases import RegistryError, find_champion
from readmission.settings import Settings
from readmission.stores import postgres

#: Marks predictions of probes in the prediction log: monitoring leaves them out.
PROBE_HEADERS = {"x-request-id": "probe-status"}


def run(
    settings: Settings,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Show every part with its address, process and health, the batches, and the model that serves.

    Exits with 1 when no prediction is answered.
    """
    supervisor = Supervisor(settings)
    if not as_json and not supervisor.running() and not supervisor.was_launched():
        typer.echo("Nothing runs here yet. `make up` (or `readmission up`) starts it.")
        raise typer.Exit(1)
    _settle_decisions(settings)
    state = collect(settings)
    typer.echo(json.dumps(state, indent=2) if as_json else render(state))
    if not state["ready"]:
        raise typer.Exit(1)


def collect(settings: Settings) -> dict[str, Any]:
    """Collect the state of parts, batches and model.

    Returns:
        `ready`, `parts` (url, pid and healthy, by name), `batches` (counts of rows) and `model` (empty without a
        champion).
    """
    states = Supervisor(settings).states()
    shown = {part.name: _part(part, states) for part in parts(settings, states)}
    model = _model(settings)
    return {
        "ready": bool(model) and _predicts(settings),
        "parts": shown,
        "batches": batches(settings) if shown["postgres"]["healthy"] else [],
        "model": model,
    }


def batches(settings: Settings) -> list[dict[str, Any]]:
    """Read the batches and their counts; empty if the database does not answer."""
    try:
        with postgres.transaction(settings, "monitor") as cursor:
            cursor.execute(
                "SELECT batch_id, rows_read, accepted, quarantined, duplicate, coalesce(immature, 0), synthetic"
                " FROM raw.batches LEFT JOIN clean.snapshots USING (batch_id) ORDER BY 1"
            )
            names = ("batch_id", "read", "accepted", "quarantined", "duplicate", "immature", "synthetic")
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    except UserError:
        return []


def _settle_decisions(settings: Settings) -> None:
    """Settle what a killed promotion or rollback left half done, unless one runs or a store does not answer."""
    with contextlib.suppress(UserError, psycopg2.Error), locks.try_lock_decisions(settings) as free:
        if free:
            intents.reconcile(settings)


def has_champion(settings: Settings) -> bool:
    """Return whether the registry names a champion; False while it does not answer."""
    try:
        return find_champion(settings) is not None
    except RegistryError:
        return False


def render(state: dict[str, Any]) -> str:
    """Describe the state as text for a terminal."""
    lines = []
    for name, part in state["parts"].items():
        mark = "up  " if part["healthy"] else "DOWN"
        lines.append(f"  {mark} {name:<10} {part['url']}" + (f"  (pid {part['pid']})" if part["pid"] else ""))
    for batch in state["batches"]:
        counts = ", ".join(f"{name} {batch[name]}" for name in ("read", "accepted", "quarantined", "duplicate"))
        if batch.get("immature"):
            counts += f"; outcome not known yet of {batch['immature']}"
        lines.append(f"  batch {batch['batch_id']}: {counts}{' (synthetic)' if batch['synthetic'] else ''}")
    model = state["model"]
    if model:
        quality = model["metrics"].get("test_roc_auc_30")
        figure = f", test ROC-AUC for <30 days {quality:.3f}" if quality is not None else ""
        synthetic = " — trained on SYNTHETIC data" if model.get("synthetic") else ""
        lines.append(f"  model {model['name']} version {model['version']} ({model['family']}{figure}){synthetic}")
    lines.append("  predictions are answered" if state["ready"] else "  NOT ready: no prediction is answered")
    return "\n".join(lines)


def _part(part: Part, states: dict[str, tuple[str, int | None]]) -> dict[str, Any]:
    _, pid = states.get(part.name, ("STOPPED", None))
    return {"url": part.url, "pid": pid, "healthy": part.healthy()}


def _model(settings: Settings) -> dict[str, Any]:
    try:
        answer = httpx.get(f"{settings.api.base_url}/model-info", timeout=5)
        info = answer.json() if answer.status_code == 200 else {}
    except (httpx.HTTPError, ValueError):
        return {}
    if not info:
        return {}
    return {
        "name": info["model_name"],
        "version": info["model_version"],
        "family": info["family"],
        "synthetic": info.get("synthetic", False),
        "metrics": info.get("metrics", {}),
    }


def _predicts(settings: Settings) -> bool:
    try:
        answer = httpx.post(
            f"{settings.api.base_url}/predict", json=dict(contract.EXAMPLE), headers=PROBE_HEADERS, timeout=5
        )
        return answer.status_code == 200 and answer.json()["prediction"] in contract.CLASSES
    except (httpx.HTTPError, ValueError, KeyError):
        return False
