"""The aliases of the registered model: MLflow's alias `champion` decides which version serves.

Everything that asks for the champion asks here: the API's sidecar, the steps, the exporter and `readmission up`. The
ledger (`training.promotions`) is history; the exporter reports when the two disagree. It is plain HTTP, because the
sidecar and the exporter read one URL, and MLflow's client takes seconds to import and minutes to give up.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import httpx

from readmission.errors import UserError
from readmission.settings import Settings

CHAMPION, CHALLENGER = "champion", "challenger"
#: Alias of the best champion so far, so that quality cannot creep down step by step.
RECORD = "record"
#: Tag of the registered model that tells the API of compiled models that were written anew.
REISSUED = "reissued"
_PATH = "/api/2.0/mlflow/registered-models/get"

T = TypeVar("T")


class RegistryError(UserError):
    """The registry does not answer, or not as MLflow does.

    Args:
        message: Sentence for the user.
        reason: Why, in a word that tells no address: "HTTP 403" or the class of the error.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


def fetch_reissue(http: httpx.Client, model_name: str) -> str:
    """Return the tag that changes whenever compiled models were written anew; empty if none ever was.

    Args:
        http: Client whose base URL is the MLflow server's.
        model_name: Registered model.

    Raises:
        RegistryError: MLflow does not answer, or its answer cannot be read.
    """

    def read(model: Any) -> str:
        return next((str(tag["value"]) for tag in model.get("tags", ()) if tag["key"] == REISSUED), "")

    return _fetch(http, model_name, read, "")


def fetch_aliases(http: httpx.Client, model_name: str) -> dict[str, str]:
    """Return version by alias; empty if the model is not registered.

    Args:
        http: Client whose base URL is the MLflow server's.
        model_name: Registered model.

    Raises:
        RegistryError: MLflow does not answer, or its answer cannot be read.
    """

    def read(model: Any) -> dict[str, str]:
        return {entry["alias"]: str(entry["version"]) for entry in model.get("aliases", ())}

    return _fetch(http, model_name, read, {})


def _fetch(http: httpx.Client, model_name: str, read: Callable[[Any], T], unregistered: T) -> T:
    try:
        answer = http.get(_PATH, params={"name": model_name})
        if answer.status_code == httpx.codes.NOT_FOUND:
            return unregistered
        return read(answer.raise_for_status().json()["registered_model"])
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise _unreadable(http, error) from None


def _unreadable(http: httpx.Client, error: Exception) -> RegistryError:
    # The text of an error of httpx has the URL, which may hold a password.
    reason = f"HTTP {error.response.status_code}" if isinstance(error, httpx.HTTPStatusError) else type(error).__name__
    where = http.base_url.copy_with(userinfo=b"")
    return RegistryError(f"MLflow at {where} cannot be read ({reason}): see `readmission status`.", reason)


def find_champion(settings: Settings, timeout: float = 10) -> str | None:
    """Return the version that the alias `champion` names; None if there is none.

    Args:
        settings: MLflow server and registered model.
        timeout: Seconds to wait for each part of the answer.

    Raises:
        RegistryError: MLflow does not answer, or its answer cannot be read.
    """
    return find_alias(settings, CHAMPION, timeout)


def find_alias(settings: Settings, alias: str, timeout: float = 10) -> str | None:
    """Return the version that an alias names; None if there is none.

    Args:
        settings: MLflow server and registered model.
        alias: Name of the alias.
        timeout: Seconds to wait for each part of the answer.

    Raises:
        RegistryError: MLflow does not answer, or its answer cannot be read.
    """
    with httpx.Client(base_url=settings.mlflow.tracking_uri, timeout=timeout) as http:
        return fetch_aliases(http, settings.mlflow.model_name).get(alias)
