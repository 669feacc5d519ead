"""The lines that docs/kubernetes.md prints for a cluster, executed in their order with the state values of this one."""

import os
import re
import shlex
from pathlib import Path

from cluster import ROOT, ProofError, run

_PAGE = ROOT / "docs/kubernetes.md"
#: Block of the page that is executed.
CLUSTER = os.environ.get("E2E_BLOCK", "kind")


def line(start: str) -> str:
    """Return the block's line that begins so; lines before it that do must have been executed."""
    block = re.search(rf"^On \*\*{CLUSTER}\*\*.*:\n\n((?: {{4}}.+\n)+)", _PAGE.read_text(), re.M)
    lines = [text.strip() for text in block[1].splitlines()] if block else []
    if not (matching := [text for text in lines if text.startswith(start)]):
        raise ProofError(f"{_PAGE.name} prints no `{start}` for {CLUSTER}: {lines}")
    return matching[0]


def preflight() -> str:
    """Ask as the page says what this cluster lacks: nothing that stops the installation."""
    values = " ".join(str(Path(v).resolve()) for v in os.environ.get("E2E_VALUES", "").split())
    output = run(*shlex.split(line("make preflight")), f"VALUES={values}")
    levels = [text.split()[0] for text in output.splitlines()]
    return ", ".join(f"{levels.count(level)} {level}" for level in ("ok", "warn", "FAIL"))
