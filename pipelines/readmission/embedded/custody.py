"""Signatures of the versions that an embedded system of an earlier release has: they serve on after an update."""

import hashlib
import logging
import re
from pathlib import Path

import msgspec

from readmission.files import write_atomic
from readmission.scorer.custody import SIGNATURE, Statement, digest_folder, sign
from readmission.scorer.manifest import MANIFEST
from readmission.signatures import SigningKey

_RUN = re.compile(r"^run_id: (\w+)$", re.MULTILINE)
log = logging.getLogger(__name__)


def sign_present(home: Path, key: SigningKey) -> int:
    """Sign every compiled model in a state folder, in MLflow's artifacts and the API's copies; return how many.

    To be called once, when the key is made: later, whatever is unsigned is refused.

    Args:
        home: State folder.
        key: The new key.
    """
    pipelines = _pipelines(home / "mlflow-artifacts")
    patterns = (f"mlflow-artifacts/*/*/artifacts/serving/{MANIFEST}", f"models/*/*/{MANIFEST}")
    paths = [path for pattern in patterns for path in home.glob(pattern)]
    for path in paths:
        content = path.read_bytes()
        run_id = str(msgspec.json.decode(content).get("run_id", ""))
        folder = pipelines.get(run_id)
        statement = Statement(
            manifest_sha256=hashlib.sha256(content).hexdigest(),
            pipeline_sha256=digest_folder(folder) if folder else "",
            run_id=run_id,
        )
        write_atomic(path.with_name(SIGNATURE), sign(key, statement), sync=True)
    if paths:
        log.info("signed %d compiled models of before", len(paths))
    return len(paths)


def _pipelines(artifacts: Path) -> dict[str, Path]:
    """Return the folder of each run's logged Pipeline."""
    files = artifacts.rglob("MLmodel")
    return {match[1]: path.parent for path in files if (match := _RUN.search(path.read_text()))}
