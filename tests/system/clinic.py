"""A client that asks for predictions while a system is updated."""

import threading
import time

from readmission import polling
from readmission.client import ApiError, Client, Record


class Clinic:
    """A client that asks for predictions without pause, and waits while nobody answers (`readmission.client`).

    Attributes:
        versions: Version of the model by prediction id.
        failed: What it was told instead of a prediction.
        longest: Seconds that it waited for one answer at most.
    """

    def __init__(self, url: str, record: Record) -> None:
        self.versions: dict[str, str] = {}
        self.failed: list[str] = []
        self.longest = 0.0
        self._url, self._record, self._stop = url, record, threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()
        self._wait_for_more()

    def _wait_for_more(self) -> None:
        enough = len(self.versions) + 20
        polling.wait_until(lambda: len(self.versions) > enough, seconds=60, failure="the client gets no answers")

    def _ask(self) -> None:
        with Client(self._url, retries=60) as api:
            while not self._stop.wait(0.05):
                began = time.monotonic()
                try:
                    answer = api.predict(self._record)
                    self.versions[answer.prediction_id] = answer.model_version
                except ApiError as error:
                    self.failed.append(str(error))
                self.longest = max(self.longest, time.monotonic() - began)

    def stop(self) -> None:
        """Wait for answers of the system that runs now, then ask no more."""
        self._wait_for_more()
        self._stop.set()
        self._thread.join(60)
