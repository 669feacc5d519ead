"""Object stores: a folder, or a bucket of S3.

pyarrow.fs offers both under one interface and is no less code here: its local file system has no write-and-rename, so
the atomic `put` would stay ours, and boto3's chain of credentials is what operators of S3 know.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from readmission.errors import UserError
from readmission.files import sync_folder, write_atomic
from readmission.settings import Settings


class ObjectStore(Protocol):
    """Immutable objects by key."""

    def put(self, key: str, data: bytes) -> None:
        """Store an object whole, or not at all."""

    def get(self, key: str) -> bytes:
        """Return an object.

        Raises:
            KeyError: There is no such object.
        """

    def exists(self, key: str) -> bool:
        """Return whether the object exists."""

    def delete(self, key: str) -> None:
        """Delete an object; nothing happens if it is absent."""

    def keys(self, prefix: str) -> list[str]:
        """Return the keys that begin with a prefix that ends in a slash, sorted."""


class FolderStore:
    """Objects as files below a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, key: str, data: bytes) -> None:
        """Write a file that survives a power cut: the row that names it is committed after this."""
        path = self._root / key
        new = [folder for folder in path.parents if not folder.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, data, sync=True)
        for folder in new:
            sync_folder(folder.parent)

    def get(self, key: str) -> bytes:
        """Read the file; KeyError when it is absent."""
        try:
            return (self._root / key).read_bytes()
        except FileNotFoundError as error:
            raise KeyError(key) from error

    def exists(self, key: str) -> bool:
        """Return whether the file exists."""
        return (self._root / key).is_file()

    def delete(self, key: str) -> None:
        """Delete the file."""
        (self._root / key).unlink(missing_ok=True)

    def keys(self, prefix: str) -> list[str]:
        """Return the files below a folder."""
        paths = (path for path in (self._root / prefix).rglob("*") if path.is_file())
        return sorted(path.relative_to(self._root).as_posix() for path in paths)


class S3Store:
    """Objects in a bucket. Credentials are found by boto3 (environment, profile, role).

    Every method raises a UserError if the store does not answer or refuses.
    """

    def __init__(self, url: str, endpoint: str) -> None:
        import boto3  # half a second to import: only for those who use S3

        parts = urlsplit(url)
        self._bucket, self._prefix = parts.netloc, parts.path.strip("/")
        self._client, self._where = boto3.client("s3", endpoint_url=endpoint or None), endpoint or "Amazon S3"

    @contextmanager
    def _asked(self) -> Iterator[None]:
        """Say in a sentence what went wrong, without the key: a bucket's own names are its owner's."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except ClientError as error:
            reason = f"it refuses with {error.response['Error']['Code']}"
            raise UserError(f"The object store at {self._where} cannot be used: {reason}.") from error
        except BotoCoreError as error:
            reason = type(error).__name__
            raise UserError(f"The object store at {self._where} cannot be reached ({reason}).") from error

    def _key(self, key: str) -> str:
        return f"{self._prefix}/{key}" if self._prefix else key

    def put(self, key: str, data: bytes) -> None:
        """Upload an object."""
        with self._asked():
            self._client.put_object(Bucket=self._bucket, Key=self._key(key), Body=data)

    def get(self, key: str) -> bytes:
        """Download an object; KeyError when it is absent."""
        with self._asked():
            try:
                return bytes(self._client.get_object(Bucket=self._bucket, Key=self._key(key))["Body"].read())
            except self._client.exceptions.NoSuchKey as error:
                raise KeyError(key) from error

    def exists(self, key: str) -> bool:
        """Return whether the bucket has the object."""
        with self._asked():
            answer = self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._key(key), MaxKeys=1)
        return any(item["Key"] == self._key(key) for item in answer.get("Contents", ()))

    def delete(self, key: str) -> None:
        """Delete the object. A bucket with versions keeps the old one until its own rules delete it."""
        with self._asked():
            self._client.delete_object(Bucket=self._bucket, Key=self._key(key))

    def keys(self, prefix: str) -> list[str]:
        """Return the keys below a prefix."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._key(prefix))
        with self._asked():
            keys = [item["Key"] for page in pages for item in page.get("Contents", ())]
        return sorted(key[len(self._key("x")) - 1 :] for key in keys)


def objects(settings: Settings) -> ObjectStore:
    """Return the object store that the settings name."""
    if settings.object_store_url.startswith("s3://"):
        return S3Store(settings.object_store_url, settings.objects.s3_endpoint)
    return FolderStore(Path(settings.object_store_url))
