"""Serve the demo: ``python -m serving.demo``."""

import ctypes
import os
import sys
from pathlib import Path

# Gradio imports pandas, which imports pyarrow where it is installed: 33 MB that the page has no use for.
sys.modules["pyarrow"] = None  # type: ignore[assignment]
# glibc keeps the buffers of the first page that is sent, another 20 MB, unless larger ones are mapped and threads share
# arenas (M_MMAP_THRESHOLD, M_ARENA_MAX of mallopt(3)). Other C libraries have no such function.
if hasattr(libc := ctypes.CDLL(None), "mallopt"):
    libc.mallopt(-3, 65_536)
    libc.mallopt(-8, 2)

import uvicorn  # noqa: E402

from readmission import tracing  # noqa: E402
from readmission.logs import configure_logging  # noqa: E402
from readmission.settings import load_settings  # noqa: E402
from serving.demo.app import create  # noqa: E402
from serving.demo.uploads import delete_old  # noqa: E402

if __name__ == "__main__":
    settings = load_settings()
    configure_logging(settings.log_format)
    tracing.start(settings, "readmission-demo")
    # Uploaded and scored files lie with all other state, where the inventory of privacy expects them.
    os.environ.setdefault("GRADIO_TEMP_DIR", str((settings.home / "demo").resolve()))
    delete_old(Path(os.environ["GRADIO_TEMP_DIR"]))
    uvicorn.run(
        create(
            settings.api.base_url,
            settings.demo.api_key.get_secret_value() if settings.demo.api_key else "",
            settings.icd,
        ),
        host=settings.demo.host,
        port=settings.demo.port,
        log_config=None,
        server_header=False,
    )
    tracing.stop()
