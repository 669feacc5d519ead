"""Manifest of one backup: what it holds, with counts and hashes; the last file written, so its presence means whole."""

import hashlib

import msgspec

from readmission.errors import UserError

#: Version of the layout. A reader refuses any other.
FORMAT = 1
NAME, DIGEST = "manifest.json", "manifest.sha256"


class StoredFile(msgspec.Struct, frozen=True):
    """Size in bytes and SHA-256 (hex) of one file."""

    bytes: int
    sha256: str


class DatabaseDump(msgspec.Struct, frozen=True, kw_only=True):
    """Dump of one database.

    Attributes:
        file: Key of the pg_dump archive (custom format) in the backup.
        server: Major version of the server it comes from.
        client: Major version of the pg_dump that wrote it.
        tables: Rows of each table ("schema.table"), counted in the snapshot that was dumped.
    """

    file: str
    server: int
    client: int
    tables: dict[str, int]


class ChampionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Model that served when the backup was made.

    Attributes:
        model: Registered model.
        version: Version that carries the alias `champion`.
        run_id: MLflow run it comes from.
        folder: Key of its compiled form among the artifacts.
        golden: Probabilities of its golden rows, in the order of `contract.CLASSES`.
    """

    model: str
    version: str
    run_id: str
    folder: str
    golden: list[tuple[float, ...]]


class BackupManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds.

    Attributes:
        format: Version of the layout.
        product: Version of the software that wrote it.
        revision: Revision of the tables (alembic).
        installation: Identity of the installation.
        created: Moment of the snapshot, ISO 8601 in UTC. Everything acknowledged before is in the backup.
        databases: Dumps by database: readmission, mlflow, airflow.
        files: Every file of the backup but the manifest, by key.
        champion: If omitted, no model had been promoted.
        secrets: Key of the encrypted secrets. If omitted, they were left out on request.
    """

    format: int
    product: str
    revision: str
    installation: str
    created: str
    databases: dict[str, DatabaseDump]
    files: dict[str, StoredFile]
    champion: ChampionRecord | None = None
    secrets: str | None = None

    def area(self, name: str) -> dict[str, StoredFile]:
        """Return the files of one area (objects, artifacts, source, spool) by their key in it."""
        prefix = f"{name}/"
        return {key.removeprefix(prefix): file for key, file in self.files.items() if key.startswith(prefix)}


def encode_manifest(manifest: BackupManifest) -> tuple[bytes, bytes]:
    """Return the manifest as JSON, and the content of its digest file."""
    data = msgspec.json.format(msgspec.json.encode(manifest, order="deterministic"))
    return data, hashlib.sha256(data).hexdigest().encode()


def decode_manifest(data: bytes, digest: bytes, source: str) -> BackupManifest:
    """Read a manifest.

    Args:
        data: Content of the manifest.
        digest: Content of its digest file.
        source: Name of the backup, for messages.

    Raises:
        UserError: The manifest is damaged, or of a format that this version cannot read.
    """
    if hashlib.sha256(data).hexdigest().encode() != digest.strip():
        raise UserError(f"The backup {source} is damaged: {NAME} does not match its digest.")
    try:
        layout = msgspec.json.decode(data)["format"]
        if layout != FORMAT:
            raise UserError(
                f"The backup {source} has format {layout!r}; this version reads format {FORMAT}. "
                "Restore it with the version that made it."
            )
        manifest = msgspec.json.decode(data, type=BackupManifest)
    except (msgspec.DecodeError, msgspec.ValidationError, KeyError, TypeError) as error:
        raise UserError(f"The backup {source} is damaged: {NAME} cannot be read ({error}).") from error
    for key in (*manifest.files, *(dump.file for dump in manifest.databases.values())):
        if key.startswith("/") or ".." in key.split("/"):
            raise UserError(f"The backup {source} is damaged: it names {key!r}, a file outside of it.")
    return manifest
