"""Signatures of promoted versions in MLflow: what is signed at a promotion, and what batch scoring checks."""

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import mlflow.artifacts
import mlflow.sklearn
import msgspec
from mlflow.tracking import MlflowClient
from sklearn.pipeline import Pipeline

from readmission.errors import UserError
from readmission.registry import tracking
from readmission.registry.runs import TrainedModel
from readmission.scorer.custody import SIGNATURE, Statement, check_manifest, digest_folder, sign
from readmission.scorer.manifest import MANIFEST
from readmission.settings import Settings


def sign_candidate(
    settings: Settings,
    candidate: TrainedModel,
    folder: Path,
    uri: str,
    judged: str,
    *,
    checks: Sequence[Mapping[str, object]],
    by: str,
) -> None:
    """Sign what is about to be promoted, if this installation signs.

    Args:
        settings: Key, and image of this process.
        candidate: Trained model.
        folder: Its compiled model, with the manifest; receives the signature.
        uri: Its logged Pipeline, as it serves.
        judged: Its logged Pipeline, as it was judged.
        checks: Checks of the verdict.
        by: Who promotes it.
    """
    if (key := settings.signing_key) is None:
        return
    statement = Statement(
        manifest_sha256=hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest(),
        pipeline_sha256=digest_pipeline(uri),
        judged_sha256=digest_pipeline(judged),
        run_id=candidate.run_id,
        data_sha256=candidate.data_sha256,
        code=" ".join(filter(None, (candidate.code, candidate.revision))),
        image=candidate.image or settings.image,
        verdict_sha256=hashlib.sha256(msgspec.json.encode(checks, order="deterministic")).hexdigest(),
        decided_by=by,
    )
    (folder / SIGNATURE).write_bytes(sign(key, statement))


def digest_pipeline(uri: str) -> str:
    """Return the digest of a logged Pipeline's files."""
    with tempfile.TemporaryDirectory() as directory:
        return digest_folder(Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=directory)))


def load_pipeline(settings: Settings, client: MlflowClient, version: object, judged: str = "") -> Pipeline:
    """Load the Pipeline of a version, if it is the one that was signed; without trusted signers, in any case.

    Args:
        settings: Whose signatures count.
        client: MLflow server.
        version: MLflow's record of the version.
        judged: Where the Pipeline that was judged is, to load that one. If omitted, the one that serves is loaded.

    Raises:
        UserError: The version is not signed by whom it must be, or its Pipeline is another one.
    """
    uri, run_id = judged or str(version.source), str(version.run_id)  # type: ignore[attr-defined]
    if not settings.trust:
        return tracking.load_pipeline(uri)
    with tempfile.TemporaryDirectory() as serving, tempfile.TemporaryDirectory() as directory:
        present = {Path(item.path).name for item in client.list_artifacts(run_id, "serving")}
        content = {
            name: Path(client.download_artifacts(run_id, f"serving/{name}", serving)).read_bytes()
            for name in (MANIFEST, SIGNATURE)
            if name in present
        }
        statement = check_manifest(content.get(SIGNATURE), content.get(MANIFEST, b""), settings.trust)
        folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=directory))
        signed = statement.judged_sha256 if judged else statement.pipeline_sha256
        if not signed:
            raise UserError("The champion was signed without its Pipeline: run `readmission sign`.")
        if digest_folder(folder) != signed:
            raise UserError("The champion's Pipeline is not the one that was signed: nothing was scored.")
        return mlflow.sklearn.load_model(str(folder))
