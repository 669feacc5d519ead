"""Format log lines for people or for collectors; the entry points of processes alone call it."""

import json
import logging
import sys
import traceback
from contextvars import ContextVar
from types import TracebackType

#: Trace id of what is being done; empty where nothing is traced.
TRACE: ContextVar[str] = ContextVar("trace", default="")
#: Libraries, and kinds of Python's own, whose exceptions quote what they were given: a row, a cell, a request.
_QUOTING = ("psycopg2", "sqlalchemy", "msgspec", "pandas", "pyarrow")
_QUOTING_KINDS = (LookupError, ValueError, TypeError, ArithmeticError)
_Failure = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def without_values(failure: _Failure) -> str:
    """Render a traceback; of an exception that may quote a patient's values, the class only."""
    if failure[1] is None:
        return ""
    rendered = traceback.TracebackException.from_exception(failure[1], capture_locals=False)
    links: list[tuple[traceback.TracebackException, BaseException]] = [(rendered, failure[1])]
    while links:
        link, error = links.pop()
        if type(error).__module__.partition(".")[0] in _QUOTING or isinstance(error, _QUOTING_KINDS):
            link._str = "(message left out: it may quote data)"  # type: ignore[attr-defined]
        for next_link, cause in ((link.__cause__, error.__cause__), (link.__context__, error.__context__)):
            if next_link is not None and cause is not None:
                links.append((next_link, cause))
    return "".join(rendered.format()).rstrip()


class TextFormatter(logging.Formatter):
    """Lines for people: time and message, the trace id where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Render one line, and the traceback below it."""
        trace = TRACE.get()
        return super().format(record) + (f" [trace {trace}]" if trace else "")

    def formatException(self, ei: _Failure) -> str:  # noqa: N802 - logging's name
        """Render a traceback without data."""
        return without_values(ei)


class JsonFormatter(logging.Formatter):
    """One JSON object per line, for log collectors."""

    def format(self, record: logging.LogRecord) -> str:
        """Render time, level, logger, message and, when there are some, the trace id and the traceback."""
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if trace := TRACE.get():
            line["trace_id"] = trace
        if record.exc_info:
            line["traceback"] = without_values(record.exc_info)
        return json.dumps(line)


def configure_logging(log_format: str) -> None:
    """Send the log to standard error: lines for people, or JSON; of libraries the warnings. For entry points only."""
    handler = logging.StreamHandler()
    text = TextFormatter("%(asctime)s %(message)s", "%H:%M:%S")
    handler.setFormatter(JsonFormatter() if log_format == "json" else text)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in logging.root.manager.loggerDict:
        # What a library has set up for itself would be a second format among the lines.
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
    for name in ("readmission", "serving", "loadtest"):
        logging.getLogger(name).setLevel(logging.INFO)
    sys.excepthook = _log_uncaught


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        logging.getLogger("readmission").critical("ended by %s", kind.__name__, exc_info=(kind, error, trace))
