"""Waiting for something that another process does."""

from collections.abc import Callable

from readmission.errors import UserError


def wait_until(
    ready: Callable[[], bool], *, seconds: float, every: float = 0.2, failure: str | Callable[[], str]
) -> None:
    """Poll until a condition holds.

    Args:
        ready: The condition. An exception it raises ends the wait.
        seconds: How long to wait at most.
        every: Seconds between polls.
        failure: Message of the error when the time is over, or what returns it then.

    Raises:
        UserError: The condition did not hold in time.
    """
    from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

    waits = Retrying(
        retry=retry_if_result(lambda done: not done), stop=stop_after_delay(seconds), wait=wait_fixed(every)
    )
    try:
        waits(ready)
    except RetryError as error:
        raise UserError(failure if isinstance(failure, str) else failure()) from error
