"""The server of the API, configured by the settings: `python -m serving.server`; SIGTERM or SIGINT drain it."""

import os
import resource
import sys

from readmission.errors import UserError
from readmission.logs import JsonFormatter
from readmission.settings import load_settings

#: Seconds that an idle connection stays open: longer than ingresses and clients keep theirs (usually 60), or they
#: would send into one that is just being closed.
KEEP_ALIVE = 75
#: Open files of a worker, where the system allows them.
FILES = 65_536


def main() -> None:
    """Run BentoML's server in this process with the host, port, workers, TLS and drain of the settings."""
    try:
        settings = load_settings()
    except UserError as error:
        sys.exit(str(error))
    # A connection is an open file, and many systems allow 1,024 by default.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    limit = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    # Own folder: BentoML keeps the workers' metrics files there and empties it at the start.
    os.environ.setdefault("BENTOML_HOME", str(settings.home / "bentoml"))
    os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
    os.environ.update(READMISSION_HOME=str(settings.home))
    from bentoml._internal.log import SERVER_LOGGING_CONFIG
    from bentoml_cli.cli import cli

    if settings.log_format == "json":
        # Log lines of the process that watches the workers; BentoML has no setting for their format.
        SERVER_LOGGING_CONFIG["formatters"]["traced"] = {"()": JsonFormatter}
    arguments = ["serve", "serving.service:Readmission", "--host", settings.api.host]
    arguments += ["--port", str(settings.api.port)]
    arguments += ["--timeout-keep-alive", str(KEEP_ALIVE)]
    arguments += ["--timeout-graceful-shutdown", str(max(1, round(settings.api.drain)))]
    if settings.api.certificate and settings.api.certificate_key:
        arguments += ["--ssl-certfile", str(settings.api.certificate)]
        arguments += ["--ssl-keyfile", str(settings.api.certificate_key)]
    cli(arguments)


if __name__ == "__main__":
    main()
