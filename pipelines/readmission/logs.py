"""Format log lines for people or for collectors; the entry points of processes alone call it."""

import json
import logging


class JsonFormatter(logging.Formatter):
    """Write one JSON object a line, for log collectors."""

    def format(self, record: logging.LogRecord) -> str:
        """Render time, level, logger, message and, when there is one, the traceback."""
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


def configure_logging(log_format: str) -> None:
    """Send this project's log to standard error: lines for people, or JSON. For entry points only."""
    handler = logging.StreamHandler()
    text = logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S")
    handler.setFormatter(JsonFormatter() if log_format == "json" else text)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in ("readmission", "serving", "loadtest"):
        logging.getLogger(name).setLevel(logging.INFO)
