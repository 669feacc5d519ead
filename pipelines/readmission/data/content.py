"""Bytes of a data set: from a URL or S3, out of its zip."""

import io
import zipfile

import httpx

from readmission.errors import UnreachableError, UserError
from readmission.stores import objects

CSV_NAME = "diabetic_data.csv"


def unzip(content: bytes, name: str) -> bytes:
    """Return the csv of a zip; anything else as it is.

    Raises:
        UserError: It is a zip, but broken or without the csv.
    """
    if not content.startswith(b"PK"):
        return content
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            member = next((m for m in archive.namelist() if m.rsplit("/")[-1] == CSV_NAME), None)
            if member is None:
                raise UserError(f"{name} is a zip without {CSV_NAME}.")
            return archive.read(member)
    except zipfile.BadZipFile as error:
        raise UserError(f"{name} is a broken zip: {error}. Download it again.") from error


def get_object(url: str, endpoint: str) -> bytes:
    """Return an object of S3.

    Raises:
        UserError: There is no such object, or it cannot be read.
    """
    folder, _, key = url.rpartition("/")
    try:
        return objects.S3Store(folder, endpoint).get(key)
    except KeyError as error:
        raise UserError(f"{url}: there is no such object.") from error
    except UserError as error:
        raise UserError(f"{url} cannot be read: {error}") from error


def download(url: str) -> bytes:
    """Return what a URL has, with a progress bar.

    Raises:
        UnreachableError: It could not be downloaded; the message says what else to try.
    """
    import typer  # a progress bar; nothing else here needs the terminal

    parts: list[bytes] = []
    try:
        with httpx.stream("GET", url, follow_redirects=True, timeout=30) as response:
            response.raise_for_status()
            length = int(response.headers.get("content-length", 0)) or None
            with typer.progressbar(length=length or 1, label=f"Downloading {url.rsplit('/')[-1]}") as bar:
                for part in response.iter_bytes():
                    parts.append(part)
                    bar.update(len(part) if length else 0)
    except httpx.HTTPError as error:
        raise UnreachableError(
            f"The data could not be downloaded from {url} ({error}). Name a file instead: READMISSION_SOURCE="
            "/path/to/dataset_diabetes.zip (or diabetic_data.csv), or try the system on a synthetic sample with "
            "--sample."
        ) from error
    return b"".join(parts)
