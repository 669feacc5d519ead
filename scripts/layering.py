"""The diagram of docs/architecture.md, drawn from the layers in pyproject.toml's `[tool.importlinter]`."""

import itertools
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
START, END = "<!-- layering: written by `make generate` -->", "<!-- end of layering -->"


def diagram(pyproject: str) -> str:
    """Return a Mermaid flowchart: a box for each package, its layers from top to bottom.

    Args:
        pyproject: Text of pyproject.toml. Its contracts of type `layers` are drawn if they order the packages or the
            rooms of one package; the rooms of a subpackage are left out.
    """
    contracts = [c for c in tomllib.loads(pyproject)["tool"]["importlinter"]["contracts"] if c["type"] == "layers"]
    packages = next(contract["layers"] for contract in contracts if "containers" not in contract)
    rooms = {c["containers"][0]: c["layers"] for c in contracts if "." not in "".join(c.get("containers", ["."]))}
    lines = ["```mermaid", "flowchart TB"]
    for layer in packages:
        for package in _names(layer):
            lines.append(f'  subgraph {package}["{package}"]')
            nodes = [f'{package}{number}["{", ".join(_names(text))}"]' for number, text in enumerate(rooms[package])]
            lines += ["    " + " --> ".join(nodes), "  end"]
    for upper, lower in itertools.pairwise(packages):
        lines.append(f"  {' & '.join(_names(upper))} --> {' & '.join(_names(lower))}")
    return "\n".join([*lines, "```"])


def _names(layer: str) -> list[str]:
    return [name.strip() for name in layer.split("|")]


def files() -> dict[str, str]:
    """Return docs/architecture.md with its diagram: path in the repository -> content.

    Raises:
        ValueError: The page has no place for the diagram.
    """
    path = "docs/architecture.md"
    page = (ROOT / path).read_text()
    if START not in page or END not in page:
        raise ValueError(f"{path} needs the lines {START!r} and {END!r} around the diagram.")
    drawn = f"{START}\n{diagram((ROOT / 'pyproject.toml').read_text())}\n{END}"
    return {path: re.sub(f"{re.escape(START)}.*?{re.escape(END)}", lambda _: drawn, page, flags=re.DOTALL)}
