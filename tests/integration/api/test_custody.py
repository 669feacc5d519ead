"""Where signatures count, the approved version serves on, whatever somebody puts into the registry."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from pydantic import SecretStr

from readmission.errors import UserError
from readmission.files import file_sha256
from readmission.privacy import sign
from readmission.scorer import custody
from readmission.settings import Settings
from readmission.signatures import SigningKey
from readmission.stores import postgres
from tests.integration.api.tools import Api, Registry, Starter, until

KEY, NEXT = "the secret of the installation", "the next secret of the installation"


def signed(source: Path, folder: Path, secret: str) -> Path:
    """Copy a compiled model and sign it."""
    shutil.copytree(source, folder)
    digest = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    statement = custody.Statement(manifest_sha256=digest, pipeline_sha256="p", run_id="r")
    (folder / custody.SIGNATURE).write_bytes(custody.sign(SigningKey(secret), statement))
    return folder


def tamper(folder: Path) -> Path:
    """Flip a byte of a model, and write down the hash that it has now."""
    path, manifest = folder / "trees.txt", folder / "manifest.json"
    content = path.read_text().replace("leaf_value=0", "leaf_value=1", 1)
    assert content != path.read_text()
    path.write_text(content)
    described = json.loads(manifest.read_text())
    described["files"]["trees.txt"] = file_sha256(path)
    # As the golden rows would notice it, they are those of the new trees.
    (folder / "golden.json").write_text("[]")
    described["files"]["golden.json"] = file_sha256(folder / "golden.json")
    manifest.write_text(json.dumps(described))
    return folder


def is_refused(api: Api, version: str, reason: str) -> bool:
    problem = api.info()["problem"] or ""
    return f"version {version} " in problem and reason in problem and api.predict().json()["model_version"] == "1"


def test_the_approved_version_serves_on(
    start: Starter, registry: Registry, compiled: dict[str, Path], tmp_path: Path
) -> None:
    trusted = {**registry.environment(), "READMISSION_TRUSTED_SIGNERS": SigningKey(KEY).public}
    registry.publish(signed(compiled["lightgbm"], tmp_path / "first", KEY))
    api = start(**trusted).wait("/readyz")
    changed = tamper(signed(compiled["lightgbm"], tmp_path / "changed", KEY))
    attacks = {
        "is not the one that was signed": changed,
        "is not signed": compiled["decision_tree"],
        "with a key that is not trusted": signed(compiled["decision_tree"], tmp_path / "foreign", "somebody else's"),
    }
    for reason, folder in attacks.items():
        version = registry.publish(folder)
        until(lambda version=version, reason=reason: is_refused(api, version, reason), 40)  # type: ignore[misc]
    # What the alert ReadmissionReloadFailing counts.
    assert api.metric("readmission_model_reloads_total", result="download_failed") >= 3
    assert api.http.get("/health").json()["status"] == "degraded"
    version = registry.publish(signed(compiled["decision_tree"], tmp_path / "second", KEY))
    until(lambda: api.info()["model_version"] == version, 40)
    assert api.stop() == 0
    # A copy on the API's own disk is no way in either.
    copy = api.home / "models" / registry.name / version
    (copy / custody.SIGNATURE).unlink()
    again = start(**{**trusted, "READMISSION_MLFLOW_URI": "http://127.0.0.1:9"}).wait("/readyz")
    assert again.predict().json()["model_version"] == "1"


def test_what_was_promoted_before_is_signed_by_a_verb_and_keys_rotate(
    start: Starter, registry: Registry, compiled: dict[str, Path], database: Settings
) -> None:
    version = registry.publish(compiled["lightgbm"])
    run_id = str(registry.client.get_model_version(registry.name, version).run_id)
    registry.client.log_text(run_id, "flavors: {}\n", "model/MLmodel")
    registry.client.set_tag(run_id, "model_uri", f"runs:/{run_id}/model")
    with postgres.transaction(database, "owner") as cursor:
        cursor.execute(
            "INSERT INTO training.promotions (decision, model_name, model_version, run_id, family, reasons, decided_by)"
            " VALUES ('promoted', 'm', '1', %(run)s, 'lightgbm', '[]', 'test')",
            {"run": run_id},
        )
    settings = database.replace(mlflow_uri=registry.url, model_name=registry.name)
    keys = {secret: settings.replace(signing_key=SecretStr(secret), trusted_signers="") for secret in (KEY, NEXT)}
    both = keys[NEXT].replace(trusted_signers=SigningKey(KEY).public)
    api = start(**registry.environment(), READMISSION_TRUSTED_SIGNERS=",".join(both.trust.signers)).wait()
    until(lambda: api.metric("readmission_model_reloads_total", result="download_failed") >= 1, 30)
    assert sign.run(keys[KEY]) == [run_id] and sign.run(keys[KEY]) == []
    api.wait("/readyz")
    # The next key signs what the last one has signed, and only that.
    assert sign.run(both) == [run_id] and sign.run(both) == []
    copy = api.home / "models" / registry.name / "1" / custody.SIGNATURE
    until(lambda: SigningKey(NEXT).public in copy.read_text(), 30)
    with pytest.raises(UserError, match=f"somebody has changed it: run {run_id}: .* not trusted"):
        sign.run(keys[KEY])
    assert api.predict().status_code == 200
