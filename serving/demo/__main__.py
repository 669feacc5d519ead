"""Serve the demo: ``python -m serving.demo``."""

import uvicorn

from readmission import tracing
from readmission.logs import configure_logging
from readmission.settings import load
from serving.demo.app import create

if __name__ == "__main__":
    settings = load()
    configure_logging(settings.log_format)
    tracing.start(settings, "readmission-demo")
    uvicorn.run(
        create(settings.api, settings.ui_api_key.get_secret_value() if settings.ui_api_key else ""),
        host=settings.ui_host,
        port=settings.ui_port,
        log_config=None,
        server_header=False,
    )
    tracing.stop()
