"""`readmission status`: every part, the batches, the model; ready only when a prediction is answered."""

import contextlib
import json
import os
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
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
    state = collect(settings) | _surroundings(settings, supervisor)
    typer.echo(json.dumps(state, indent=2) if as_json else render(state))
    if not state["ready"]:
        raise typer.Exit(1)


def collect(settings: Settings) -> dict[str, Any]:
    """Collect the state of parts, batches and model.

    Returns:
        `ready`, `parts` (by name: url, pid, healthy, and whether a foreign program has its port), `batches` (counts of
        rows) and `model` (empty without a
        champion).
    """
    states = Supervisor(settings).states()
    shown = {part.name: _part(part, states) for part in parts(settings, states)}
    # Another installation may answer on the port.
    model = _model(settings) if shown["api"]["pid"] else {}
    return {
        "ready": bool(model) and _predicts(settings),
        "parts": shown,
        "batches": batches(settings) if shown["postgres"]["healthy"] else [],
        "model": model,
    }


def batches(settings: Settings) -> list[dict[str, Any]]:
    """Read the batches and their counts; empty if the database does not answer.

    Raises:
        UserError: The running system is of an earlier version.
    """
    try:
        with postgres.transaction(settings, "monitor") as cursor:
            cursor.execute(
                "SELECT batch_id, rows_read, accepted, quarantined, duplicate, coalesce(immature, 0), synthetic,"
                " raw.batches.finished"
                " FROM raw.batches LEFT JOIN clean.snapshots USING (batch_id) ORDER BY 1"
            )
            names = ("batch_id", "read", "accepted", "quarantined", "duplicate", "immature", "synthetic", "ingested")
            rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
            return [row | {"ingested": row["ingested"].isoformat(timespec="seconds")} for row in rows]
    except psycopg2.errors.UndefinedTable as error:
        raise UserError(
            "The running system is of an earlier version. `readmission update` puts this one in its place."
        ) from error
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
        about = f"  (pid {part['pid']})" if part["pid"] else ""
        if part.get("foreign"):
            about = "  (its port is taken by a program that is not of this system)"
        lines.append(f"  {mark} {name:<10} {part['url']}{about}")
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
    lines += _describe_surroundings(state)
    lines.append("  predictions are answered" if state["ready"] else "  NOT ready: no prediction is answered")
    return "\n".join(lines)


def way_to_the_verbs() -> str:
    """Say how a shell finds `readmission`; empty if it does."""
    activate = Path(sys.executable).with_name("activate")
    if shutil.which("readmission") is not None or not activate.exists():
        return ""
    return f" The verbs of `readmission` are in {activate.parent}: `source {activate}` once in each shell."


def _part(part: Part, states: dict[str, tuple[str, int | None]]) -> dict[str, Any]:
    _, pid = states.get(part.name, ("STOPPED", None))
    answers = part.healthy()
    return {"url": part.url, "pid": pid, "healthy": bool(pid) and answers, "foreign": answers and not pid}


def _surroundings(settings: Settings, supervisor: Supervisor) -> dict[str, Any]:
    """Return when the system started, and what the state folder takes and leaves of its disk, in bytes."""
    return {
        "started": supervisor.started_at() if supervisor.running() else None,
        "home": str(settings.home.absolute()),
        "disk_used": _size(settings.home),
        "disk_free": shutil.disk_usage(settings.home).free,
    }


def _size(folder: Path) -> int:
    """Return the bytes of all files below a folder; those that vanish meanwhile, as a database's do, count nothing."""
    size = 0
    for directory, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                size += (Path(directory) / name).lstat().st_size
    return size


def _describe_surroundings(state: dict[str, Any]) -> list[str]:
    lines = []
    if ingested := [batch["ingested"] for batch in state["batches"] if batch.get("ingested")]:
        age = datetime.now(UTC) - datetime.fromisoformat(max(ingested))
        amount = f"{age.days} days" if age.days > 1 else f"{age.total_seconds() / 3600:.1f} hours"
        lines.append(f"  newest data came in {amount} ago")
    if state.get("started"):
        lines.append(f"  running since {state['started']}")
    if "disk_used" in state:
        used, free = state["disk_used"] / 1e9, state["disk_free"] / 1e9
        lines.append(f"  state in {state['home']}: {used:.1f} GB, {free:.1f} GB of disk are free")
    return lines


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
