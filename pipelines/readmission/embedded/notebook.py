"""The workplace: JupyterLab, whose notebooks see the database as the analyst does; a part of the system, or a pod.

A kernel gets the password of the role `analyst` and no other secret: masked views without identifiers, read-only.
Copies of the repository's notebooks lie in the state folder, where a person may change them.
"""

import json
import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from readmission.embedded.component import Part, answers, bound
from readmission.errors import UserError
from readmission.files import write_atomic
from readmission.settings import Settings, load_settings

#: The repository's notebooks; its image has them in the same place beside the package.
SOURCES = Path(__file__).parents[3] / "notebooks"
#: It asks the network for news when JupyterLab is opened.
_ANNOUNCEMENTS = "@jupyterlab/apputils-extension:announcements"


def parts(settings: Settings) -> list[Part]:
    """List JupyterLab.

    Raises:
        UserError: JupyterLab is not installed, or there is no checkout with notebooks.
    """
    if find_spec("jupyterlab") is None:
        raise UserError("JupyterLab is not installed: `make up NOTEBOOK=1` installs it.")
    if not SOURCES.is_dir():
        raise UserError(f"The notebooks are not at {SOURCES}: run the embedded system from a checkout.")
    url = f"http://127.0.0.1:{settings.notebook.port}"
    return [
        Part(
            name="notebook",
            command=[*bound(), sys.executable, "-m", "readmission.embedded.notebook"],
            url=url,
            host=settings.notebook.host,
            port=settings.notebook.port,
            port_setting="READMISSION_NOTEBOOK_PORT",
            healthy=answers(f"{url}/api"),
        )
    ]


def prepare(settings: Settings) -> Path:
    """Copy the notebooks that are not there yet, write JupyterLab's configuration, and return the folder."""
    folder = settings.home / "notebook"
    work = folder / "work"
    work.mkdir(parents=True, exist_ok=True)
    for source in sorted(SOURCES.glob("*.ipynb")):
        if not (work / source.name).exists():
            shutil.copyfile(source, work / source.name)
    config = folder / "config" / "labconfig"
    config.mkdir(parents=True, exist_ok=True)
    write_atomic(config / "page_config.json", json.dumps({"disabledExtensions": {_ANNOUNCEMENTS: True}}))
    return folder


def environment(settings: Settings, folder: Path) -> dict[str, str]:
    """Return the variables of JupyterLab and its kernels: of ours, only what an analyst may have."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("READMISSION_")}
    return kept | {
        "READMISSION_HOME": str(folder),
        "READMISSION_POSTGRES_HOST": settings.postgres.host,
        "READMISSION_POSTGRES_PORT": str(settings.postgres.port),
        "READMISSION_POSTGRES_DATABASE": settings.postgres.database,
        "READMISSION_POSTGRES_PASSWORD_ANALYST": settings.password("analyst"),
        "READMISSION_API_URL": settings.api.base_url,
        "READMISSION_API_PORT": str(settings.api.port),
        "READMISSION_MLFLOW_URI": settings.mlflow.tracking_uri,
        **({"READMISSION_NOTEBOOK_API_KEY": key.get_secret_value()} if (key := settings.notebook.api_key) else {}),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "IPYTHONDIR": str(folder / "ipython"),
    }


def main() -> None:
    """Replace this process by JupyterLab; its token goes by the environment, not the command line."""
    settings = load_settings()
    if settings.notebook.token is None:
        raise UserError("READMISSION_NOTEBOOK_TOKEN is not set: without it, anybody on this machine could run code.")
    folder = prepare(settings)
    arguments = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        f"--ip={settings.notebook.host}",
        f"--port={settings.notebook.port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={folder / 'work'}",
        "--LabApp.extension_manager=readonly",
        "--KernelManager.transport=ipc",  # other users of the machine cannot listen
        *(["--allow-root"] if os.geteuid() == 0 else []),
    ]
    variables = environment(settings, folder) | {"JUPYTER_TOKEN": settings.notebook.token.get_secret_value()}
    os.execve(sys.executable, arguments, variables)  # noqa: S606


if __name__ == "__main__":
    main()
