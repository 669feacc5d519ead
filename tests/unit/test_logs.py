"""Log lines say what happened and never quote a patient's values."""

import json
import logging
from collections.abc import Callable

import msgspec
import pytest

from readmission.logs import TRACE, JsonFormatter, TextFormatter, without_values


def record(message: str, *arguments: object, failure: BaseException | None = None) -> logging.LogRecord:
    information = (type(failure), failure, failure.__traceback__) if failure else None
    return logging.LogRecord("readmission.test", logging.INFO, "test.py", 1, message, arguments, information)


def quoting_failure() -> BaseException:
    try:
        msgspec.convert("secret-value", int)
    except msgspec.ValidationError as error:
        failure = RuntimeError("the row was refused")
        failure.__cause__ = error
        return failure
    raise AssertionError("text was converted to a number")


def test_a_json_line_has_level_logger_message_and_trace() -> None:
    token = TRACE.set("a" * 32)
    try:
        line = json.loads(JsonFormatter().format(record("%d rows", 3)))
    finally:
        TRACE.reset(token)
    assert (line["level"], line["logger"], line["message"]) == ("info", "readmission.test", "3 rows")
    assert line["trace_id"] == "a" * 32
    assert "traceback" not in line


def test_a_text_line_names_the_trace_only_where_there_is_one() -> None:
    assert TextFormatter("%(message)s").format(record("done")) == "done"


def test_a_traceback_leaves_out_the_message_of_libraries_that_quote_data() -> None:
    failure = quoting_failure()
    text = without_values((type(failure), failure, failure.__traceback__))
    assert "the row was refused" in text
    assert "message left out" in text
    assert "got `str`" not in text
    assert "ValidationError" in text
    assert without_values((None, None, None)) == ""


def test_a_json_line_has_the_traceback_without_data() -> None:
    line = json.loads(JsonFormatter().format(record("failed", failure=quoting_failure())))
    assert "message left out" in line["traceback"]


VALUE = "secret-value"


@pytest.mark.parametrize("failing", [lambda: dict[str, int]()[VALUE], lambda: int(VALUE), lambda: float(VALUE)])
def test_a_traceback_leaves_out_what_python_itself_quotes(failing: Callable[[], object]) -> None:
    with pytest.raises((KeyError, ValueError)) as caught:
        failing()
    text = without_values((caught.type, caught.value, None))
    assert VALUE not in text and caught.type.__name__ in text
