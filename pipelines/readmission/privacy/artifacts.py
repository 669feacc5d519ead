"""Compiled models without a patient: `visits.bin` and golden rows are written anew, with their hashes."""

import hashlib
import logging
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec

from readmission.errors import UserError
from readmission.features.keyed_visits import count_visits, read_key_id, without_pseudonyms
from readmission.features.visit_table import without_patients
from readmission.pseudonyms import PatientKey, find_key
from readmission.registry.aliases import REISSUED
from readmission.scorer.custody import SIGNATURE, sign_again
from readmission.scorer.manifest import GOLDEN, MANIFEST
from readmission.scorer.rows import VISITS
from readmission.settings import Settings
from readmission.signatures import SigningKey, Trust

log = logging.getLogger(__name__)

#: Reads a file of a compiled model; None if it is absent.
Read = Callable[[str], bytes | None]
#: Returns a table of visits changed, and how many visits are not in it any more.
Change = Callable[[bytes], tuple[bytes, int]]


def without(patients: Collection[int], keys: Sequence[PatientKey]) -> Change:
    """Return what removes patients from a table of visits, keyed or not.

    Args:
        patients: Their numbers.
        keys: Keys that a table may be keyed with. One that is keyed otherwise raises `UserError`.
    """

    def change(table: bytes) -> tuple[bytes, int]:
        if (key_id := read_key_id(table)) is None:
            return without_patients(table, patients)
        if (key := find_key(keys, key_id)) is None:
            raise UserError(
                f"A compiled model is keyed with {key_id}: name that READMISSION_PATIENT_KEY in "
                "READMISSION_PREVIOUS_PATIENT_KEYS."
            )
        return without_pseudonyms(table, [key.pseudonym(patient)[0] for patient in patients])

    return change


class Signer(NamedTuple):
    """What a compiled model is signed with when it is written anew.

    Attributes:
        key: Key of the installation. None if there is none here.
        trust: Whose signatures count.
    """

    key: SigningKey | None
    trust: Trust


def signer_of(settings: Settings) -> Signer:
    """Return the signer of the settings."""
    return Signer(settings.signing_key, settings.trust)


def rewrite(read: Read, change: Change, signer: Signer) -> tuple[dict[str, bytes], int]:
    """Return the files of a compiled model that must change, and how many visits go.

    The signature comes first and the manifest last, so that a killed run can be run again: a manifest whose hashes are
    not those of the files is put right, and its signature is there already.

    Args:
        read: Reader of the folder.
        change: What becomes of the table of visits.
        signer: What a signed model is signed with.

    Raises:
        UserError: The model is signed, and there is no key.
    """
    content = read(MANIFEST)
    if content is None:
        return {}, 0
    manifest: dict[str, Any] = msgspec.json.decode(content)
    changed: dict[str, bytes] = {}
    removed = 0
    if VISITS in manifest["files"] and (table := read(VISITS)) is not None:
        rest, removed = change(table)
        _change(changed, manifest, VISITS, table, rest)
        manifest["history"] = count_visits(rest)
    if (golden := read(GOLDEN)) is not None:
        rows = msgspec.json.decode(golden)
        # Golden rows of earlier releases were those of real patients.
        invented = [row for row in rows if "patient_nbr" not in row["request"]]
        rest = golden if len(invented) == len(rows) else msgspec.json.format(msgspec.json.encode(invented))
        _change(changed, manifest, GOLDEN, golden, rest)
    written = msgspec.json.format(msgspec.json.encode(manifest))
    if written == content:
        return changed, removed
    return _signed(read(SIGNATURE), content, written, signer) | changed | {MANIFEST: written}, removed


def _signed(signature: bytes | None, before: bytes, after: bytes, signer: Signer) -> dict[str, bytes]:
    """Return the new signature of a changed manifest; empty if there is none to write."""
    if signature is None:
        return {}
    if signer.key is None:
        raise UserError("A compiled model is signed: set READMISSION_SIGNING_KEY, so that it can be signed again.")
    again = sign_again(signature, before, after, signer.key, signer.trust)
    if again is None:
        log.warning("a compiled model stays with the signature that it has: it is written, or was not valid before")
    return {} if again is None else {SIGNATURE: again}


def _change(changed: dict[str, bytes], manifest: dict[str, Any], name: str, before: bytes, after: bytes) -> None:
    manifest["files"][name] = hashlib.sha256(after).hexdigest()
    if after != before:
        changed[name] = after


class RunArtifacts:
    """Artifacts of runs behind an MLflow server.

    Args:
        settings: Server and registered model.

    Raises:
        UserError: The server does not answer.
    """

    def __init__(self, settings: Settings) -> None:
        from readmission.registry import tracking  # a second to import: only for an erasure

        self._settings = settings
        self._client = tracking.connect(settings)
        self._http = httpx.Client(base_url=settings.mlflow.tracking_uri, timeout=60, trust_env=False)

    def read(self, run_id: str, name: str) -> bytes | None:
        """Return a file of a run's compiled model; None if it is absent.

        Raises:
            UserError: The server does not answer as it should.
        """
        answer = self._http.get("/get-artifact", params={"path": f"serving/{name}", "run_uuid": run_id})
        if answer.status_code == httpx.codes.OK:
            return answer.content
        present = {item.path for item in self._client.list_artifacts(run_id, "serving")}
        if f"serving/{name}" in present:
            raise UserError(f"MLflow answers {answer.status_code} for serving/{name} of run {run_id}.")
        return None

    def write(self, run_id: str, files: Mapping[str, bytes]) -> None:
        """Replace files of a run's compiled model, in their order."""
        with tempfile.TemporaryDirectory() as directory:
            for name, data in files.items():
                path = Path(directory) / name
                path.write_bytes(data)
                self._client.log_artifact(run_id, str(path), "serving")

    def mark(self, run_id: str, tag: str, value: str) -> None:
        """Set a tag of a run."""
        self._client.set_tag(run_id, tag, value)

    def announce(self, value: str) -> None:
        """Tell every API that artifacts were written anew."""
        self._client.set_registered_model_tag(self._settings.mlflow.model_name, REISSUED, value)
