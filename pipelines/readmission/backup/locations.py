"""Locations of files by key: a folder, or a prefix in a bucket of S3."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from readmission.backup.manifest import StoredFile
from readmission.errors import UserError
from readmission.files import Reader, write_atomic
from readmission.settings import Settings


class HashingReader:
    """Reader that counts and hashes what passes through it."""

    def __init__(self, reader: Reader) -> None:
        self._reader, self._digest, self._bytes = reader, hashlib.sha256(), 0

    def read(self, size: int = -1, /) -> bytes:
        """Return the next part."""
        part = self._reader.read(size)
        self._digest.update(part)
        self._bytes += len(part)
        return part

    def stored(self) -> StoredFile:
        """Return size and hash of what was read so far."""
        return StoredFile(self._bytes, self._digest.hexdigest())


class Location(Protocol):
    """Files by key (slashes between its parts)."""

    url: str

    def child(self, name: str) -> "Location":
        """Return the location below this one."""

    def children(self) -> list[str]:
        """Return the names directly below, sorted."""

    def sizes(self) -> dict[str, int]:
        """Return every key with its size in bytes."""

    def open(self, key: str) -> Any:
        """Return a context manager that gives a reader.

        Raises:
            KeyError: There is no such file.
        """

    def put(self, key: str, reader: Reader) -> None:
        """Store a file whole, or not at all."""

    def delete(self, key: str) -> None:
        """Delete a file; nothing happens if it is absent."""


class Folder:
    """Files below a folder.

    Args:
        root: Folder, created when something is put there.
        private: Whether only the owner may read what is written.
    """

    def __init__(self, root: Path, *, private: bool = False) -> None:
        self.root, self.url, self._private = root, str(root), private

    def child(self, name: str) -> "Folder":
        """Return the folder below this one."""
        return Folder(self.root / name, private=self._private)

    def children(self) -> list[str]:
        """Return the names of the folders directly below."""
        return sorted(path.name for path in self.root.iterdir() if path.is_dir()) if self.root.is_dir() else []

    def sizes(self) -> dict[str, int]:
        """Return every file's key with its size."""
        sizes = {}
        for path in self.root.rglob("*"):
            try:
                if path.is_file() and not path.is_symlink():
                    sizes[path.relative_to(self.root).as_posix()] = path.stat().st_size
            except FileNotFoundError:  # deleted meanwhile
                continue
        return sizes

    @contextmanager
    def open(self, key: str) -> Iterator[Reader]:
        """Open a file for reading; KeyError if it is absent."""
        try:
            file = (self.root / key).open("rb")
        except (FileNotFoundError, NotADirectoryError) as error:
            raise KeyError(key) from error
        with file:
            yield file

    def put(self, key: str, reader: Reader) -> None:
        """Write a temporary file, sync it and rename it."""
        path = self.root / key
        path.parent.mkdir(mode=0o700 if self._private else 0o777, parents=True, exist_ok=True)
        write_atomic(path, reader, mode=0o600 if self._private else 0o666, sync=True)

    def delete(self, key: str) -> None:
        """Delete the file."""
        (self.root / key).unlink(missing_ok=True)


class Bucket:
    """Files below a prefix of an S3 bucket.

    Args:
        url: URL such as s3://bucket/prefix.
        endpoint: URL of an S3 that is not Amazon's; empty for Amazon's.
        client: boto3's client. If omitted, one with boto3's own credentials.
    """

    def __init__(self, url: str, endpoint: str, client: Any = None) -> None:
        import boto3  # half a second to import: only for those who use S3

        parts = urlsplit(url)
        self.url, self._endpoint = url.rstrip("/"), endpoint
        self._bucket, self._prefix = parts.netloc, f"{parts.path.strip('/')}/".lstrip("/")
        self._client = client or boto3.client("s3", endpoint_url=endpoint or None)

    def child(self, name: str) -> "Bucket":
        """Return the prefix below this one."""
        return Bucket(f"{self.url}/{name}", self._endpoint, self._client)

    def _pages(self, **arguments: str) -> Iterator[dict[str, Any]]:
        pages = self._client.get_paginator("list_objects_v2")
        yield from pages.paginate(Bucket=self._bucket, Prefix=self._prefix, **arguments)

    def children(self) -> list[str]:
        """Return the names of the prefixes directly below."""
        prefixes = [entry["Prefix"] for page in self._pages(Delimiter="/") for entry in page.get("CommonPrefixes", ())]
        return sorted(prefix.removeprefix(self._prefix).rstrip("/") for prefix in prefixes)

    def sizes(self) -> dict[str, int]:
        """Return every object's key with its size."""
        objects = [entry for page in self._pages() for entry in page.get("Contents", ())]
        return {entry["Key"].removeprefix(self._prefix): int(entry["Size"]) for entry in objects}

    @contextmanager
    def open(self, key: str) -> Iterator[Reader]:
        """Open an object for reading; KeyError if it is absent."""
        try:
            body = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)["Body"]
        except self._client.exceptions.NoSuchKey as error:
            raise KeyError(key) from error
        try:
            yield body
        finally:
            body.close()

    def put(self, key: str, reader: Reader) -> None:
        """Upload an object, in parts when it is large."""
        self._client.upload_fileobj(reader, self._bucket, self._prefix + key)

    def delete(self, key: str) -> None:
        """Delete an object."""
        self._client.delete_object(Bucket=self._bucket, Key=self._prefix + key)


def open_location(url: str, endpoint: str = "", *, private: bool = False) -> Location:
    """Return the location that a path or an s3:// URL names."""
    if url.startswith("s3://"):
        return Bucket(url, endpoint)
    return Folder(Path(url).expanduser().absolute(), private=private)


def open_backups(settings: Settings, url: str, *, private: bool = False) -> Location:
    """Return the location of backups that a path or an s3:// URL names, which may be another S3 than the data's.

    Raises:
        UserError: One of the two keys of that S3 is set without the other.
    """
    backup, endpoint = settings.backup, settings.backup.s3_endpoint or settings.objects.s3_endpoint
    if (backup.s3_access_key is None) != (backup.s3_secret_key is None):
        raise UserError("Set READMISSION_BACKUP_S3_ACCESS_KEY and READMISSION_BACKUP_S3_SECRET_KEY both, or neither.")
    if not url.startswith("s3://") or backup.s3_access_key is None or backup.s3_secret_key is None:
        return open_location(url, endpoint, private=private)
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=endpoint or None,
        aws_access_key_id=backup.s3_access_key.get_secret_value(),
        aws_secret_access_key=backup.s3_secret_key.get_secret_value(),
    )
    return Bucket(url, endpoint, client)


def copy_file(source: Location, key: str, target: Location, target_key: str) -> StoredFile:
    """Copy one file and return its size and hash.

    Raises:
        KeyError: There is no such file.
    """
    with source.open(key) as reader:
        hashing = HashingReader(reader)
        target.put(target_key, hashing)
    return hashing.stored()


def hash_file(location: Location, key: str) -> StoredFile:
    """Read one file and return its size and hash.

    Raises:
        KeyError: There is no such file.
    """
    with location.open(key) as reader:
        hashing = HashingReader(reader)
        while hashing.read(1 << 20):
            pass
    return hashing.stored()
