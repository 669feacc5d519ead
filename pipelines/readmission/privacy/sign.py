"""`readmission sign`: sign the versions that were promoted before signing was on, and those of an earlier key."""

import hashlib
import logging
from datetime import UTC, datetime
from functools import partial

import msgspec
import typer

from readmission.errors import UserError
from readmission.privacy.artifacts import Read, RunArtifacts
from readmission.privacy.rows import compiled_runs
from readmission.registry import custody, tracking
from readmission.scorer.custody import SIGNATURE, Statement, check_manifest, is_of, sign
from readmission.scorer.manifest import MANIFEST, ArtifactError
from readmission.settings import Settings
from readmission.signatures import SigningKey

log = logging.getLogger(__name__)


def run(settings: Settings) -> list[str]:
    """Sign every promoted version that is unsigned, or that an earlier key of this installation signed.

    Whoever runs it vouches for the unsigned ones as they are now. A version with a signature that is not valid is named
    and left alone. APIs follow within READMISSION_RELOAD_INTERVAL. Prints the public key, for
    READMISSION_TRUSTED_SIGNERS.

    Returns:
        The MLflow runs whose model was signed; empty if there was nothing to do.

    Raises:
        UserError: There is no key, MLflow does not answer, or a signature is not valid.
    """
    if (key := settings.signing_key) is None:
        raise UserError("READMISSION_SIGNING_KEY is not set: without it nothing can be signed.")
    typer.echo(f"public key: {key.public}")
    artifacts, signed, refused = RunArtifacts(settings), list[str](), list[str]()
    for run_id in compiled_runs(settings):
        try:
            content = _signature(settings, key, run_id, partial(artifacts.read, run_id))
        except ArtifactError as error:
            refused.append(f"run {run_id}: {error}")
            continue
        if content is not None:
            artifacts.write(run_id, {SIGNATURE: content})
            signed.append(run_id)
            typer.echo(f"run {run_id}: signed")
    if signed:
        artifacts.announce(f"signed {datetime.now(UTC):%FT%T}")
    if refused:
        raise UserError("Not signed, because somebody has changed it: " + "; ".join(refused) + ".")
    return signed


def _signature(settings: Settings, key: SigningKey, run_id: str, read: Read) -> bytes | None:
    """Return the new signature of a run's compiled model; None if there is none to make.

    Raises:
        ArtifactError: It has one that is not valid.
    """
    manifest, present = read(MANIFEST), read(SIGNATURE)
    if manifest is None:
        return None
    digest = hashlib.sha256(manifest).hexdigest()
    statement = Statement(manifest_sha256=digest, pipeline_sha256="", run_id=run_id)
    if present is not None:
        statement = check_manifest(present, manifest, settings.trust)
        if statement.pipeline_sha256 and statement.judged_sha256 and is_of(present, key):
            return None
    client = tracking.connect(settings)
    served, judged = tracking.served_uri(client, settings, run_id), tracking.model_uri(client, run_id)
    pipeline = custody.digest_pipeline(served)
    both = {"pipeline_sha256": pipeline, "judged_sha256": custody.digest_pipeline(judged)}
    return sign(key, msgspec.structs.replace(statement, **both))
