"""Serve the demo: ``python -m serving.demo``."""

import uvicorn

from readmission import tracing
from readmission.logs import configure_logging
from readmission.settings import load_settings
from serving.demo.app import create

if __name__ == "__main__":
    settings = load_settings()
    configure_logging(settings.log_format)
    tracing.start(settings, "readmission-demo")
    uvicorn.run(
        create(settings.api.base_url, settings.demo.api_key.get_secret_value() if settings.demo.api_key else ""),
        host=settings.demo.host,
        port=settings.demo.port,
        log_config=None,
        server_header=False,
    )
    tracing.stop()
