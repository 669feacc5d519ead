"""Build the documentation as a site: `make site`. The same Markdown as in the repository; its search works offline.

The pages lie as in the repository, so every relative link holds; a link that leads nowhere ends the build.
"""

import logging
import shutil
import sys
from argparse import ArgumentParser
from pathlib import Path

from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.config.config_options import ExtraScriptValue
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import Abort

ROOT = Path(__file__).resolve().parents[1]
#: What the pages link to, with the folders below docs.
PAGES = ("README.md", "CHANGELOG.md", "LICENSE", "SECURITY.md", "docs", "tests/e2e/README.md")
#: Scripts that the theme would load from another host. npm installs them; without it, diagrams stay text and the search
#: needs a server.
MODULES = ROOT / ".cache" / "site" / "node_modules"
MERMAID = MODULES / "mermaid" / "dist" / "mermaid.min.js"
WORKER = MODULES / "iframe-worker" / "shim" / "index.js"


def stage(folder: Path) -> None:
    """Copy the pages, as they lie in the repository, and the scripts into an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in PAGES:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, target)
    if MERMAID.exists():
        shutil.copyfile(MERMAID, folder / MERMAID.name)
    if WORKER.exists():
        (folder / "iframe-worker").mkdir()
        shutil.copyfile(WORKER, folder / "iframe-worker" / WORKER.name)


def configure(pages: Path, target: Path) -> MkDocsConfig:
    """Return the configuration of a build; scripts of other hosts are replaced by those of the site, or left out."""
    config = load_config(str(ROOT / "mkdocs.yml"), docs_dir=str(pages), site_dir=str(target), strict=True)
    if MERMAID.exists():
        config.extra_javascript = [ExtraScriptValue(MERMAID.name)]
    else:
        config.mdx_configs["pymdownx.superfences"] = {}
    if WORKER.exists():
        config.extra["polyfills"] = ["iframe-worker/index.js"]
    else:
        config.plugins["material/offline"].config.enabled = False
    return config


def main(arguments: list[str]) -> int:
    """Build the site and return the exit code: 1 if a link leads nowhere."""
    parser = ArgumentParser(prog="scripts/docs_site.py", description=__doc__)
    parser.add_argument("--target", type=Path, default=ROOT / "build" / "site", help="folder of the site [build/site]")
    target = parser.parse_args(arguments).target.resolve()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")  # mkdocs names a broken link in a warning
    pages = target.with_name(f"{target.name}-pages")
    stage(pages)
    try:
        build(configure(pages, target))
    except Abort as error:
        print(error.message)
        return 1
    finally:
        shutil.rmtree(pages)
    print(target / "index.html")
    if not (MERMAID.exists() and WORKER.exists()):
        print("npm is absent: diagrams are text, and the search needs `python -m http.server`.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
