"""Faults of models: corrupt, truncated, swapped or foreign files in the registry, damage on the API's disk."""

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from faults.clients import asking
from faults.models import compile_other
from faults.observation import Fault, Observation
from faults.site import Site
from readmission.files import file_sha256
from readmission.polling import wait_until


def corrupt(folder: Path, site: Site) -> None:
    """Turn one bit of the scorer."""
    path = folder / "scorer.json"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def truncated(folder: Path, site: Site) -> None:
    """Cut off the second half of the scorer, as an upload that broke."""
    path = folder / "scorer.json"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def swapped(folder: Path, site: Site) -> None:
    """Take the golden rows of the champion, with a manifest that matches: whole files of another model."""
    golden = champion_folder(site) / "golden.json"
    shutil.copy(golden, folder / "golden.json")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["golden.json"] = file_sha256(folder / "golden.json")
    (folder / "manifest.json").write_text(json.dumps(manifest))


def foreign(folder: Path, site: Site) -> None:
    """Declare another contract, as a model of another system would."""
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"contract_version": 99}))


def champion_folder(site: Site) -> Path:
    """Return the champion's folder on the API's disk."""
    return site.api.home / "models" / site.settings.mlflow.model_name / site.champion


def promoted(damage: Callable[[Path, Site], None], site: Site) -> Observation:
    """Promote a version with damage; the champion must go on answering, and the API must say why."""
    folder = site.folder / f"model-{damage.__name__}"
    shutil.copytree(compile_other(site.folder), folder)
    damage(folder, site)
    version = site.publish(folder)
    with asking(site.api.port, 50) as clients:
        site.set_alias(version)
        wait_until(
            lambda: f"version {version}" in (site.api.info()["problem"] or ""),
            seconds=60,
            failure=f"/model-info says nothing of version {version}",
        )
        problem = site.api.info()["problem"]
    judged = site.judge(clients)
    served = clients.journal.versions()
    problems = [f"version {version} was served"] if version in served else []
    return judged.adding(problems, saw=f"{judged.saw}; /model-info: “{problem}”")


def damaged_on_disk(site: Site) -> Observation:
    """Damage the champion on the API's disk while the API is stopped."""
    site.api.stop()
    corrupt(champion_folder(site), site)
    site.api.start()
    site.api.wait_for_version(site.champion, seconds=120)
    with asking(site.api.port, 50) as clients:
        pass
    return site.judge(clients, f"the version was downloaded again; {clients.journal.saw()}")


FAULTS = (
    *(
        Fault(name=f"{damage.__name__} artifact promoted", inject=partial(promoted, damage), quick=damage is corrupt)
        for damage in (corrupt, truncated, swapped, foreign)
    ),
    Fault(name="model damaged on the API's disk", inject=damaged_on_disk),
)
