"""Serve the demo: ``python -m serving.demo``."""

import uvicorn

from readmission.settings import load
from serving.demo.app import create

if __name__ == "__main__":
    settings = load()
    uvicorn.run(
        create(settings.api, settings.ui_api_key.get_secret_value() if settings.ui_api_key else ""),
        host=settings.ui_host,
        port=settings.ui_port,
        log_level="warning",
        server_header=False,
    )
